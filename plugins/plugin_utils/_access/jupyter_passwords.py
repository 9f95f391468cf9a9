# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Passwords of notebook servers: hashed on the control node, and looked for where they should not be in plain text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible._internal._datatag._tags import Origin
from ansible.parsing.vault import VaultHelper
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

try:
    from argon2 import Type
    from argon2.low_level import hash_secret
except ImportError as error:  # reported where a password is to be hashed
    MISSING: ImportError | None = error
else:
    MISSING = None

_VAULT = b"$ANSIBLE_VAULT"
_SALT_BYTES = 16
_HASH_BYTES = 32
#: What jupyter_server/auth/security.py of Jupyter Server 2 hashes with: KiB of memory, rounds, lanes.
_MEMORY, _ROUNDS, _LANES = 10240, 10, 8


def hashed(password: str, node: str, user: str) -> str:
    """Return a password's hash as Jupyter Server reads it; the same in every run, another one for each user and node.

    Raises
    ------
    EvenkeelError
        The password is empty, or this control node has no argon2.
    """
    if not password:
        raise EvenkeelError(
            f"The password of {user} is empty, which would let everybody in", "Give one, or none to have a token alone"
        )
    if MISSING:
        raise EvenkeelError(
            f"The password of {user} can't be hashed here: {MISSING}",
            "Install argon2-cffi on the control node, or give hashed_password as `jupyter server password` makes it",
        )
    salt = hashlib.sha256(f"evenkeel.gpu.jupyter\0{node}\0{user}".encode()).digest()[:_SALT_BYTES]
    encoded: bytes = hash_secret(password.encode(), salt, _ROUNDS, _MEMORY, _LANES, _HASH_BYTES, Type.ID)
    return f"argon2:{encoded.decode()}"


def in_plain_text(value: Any) -> str | None:
    """Return the file of the inventory in which a value stands for everybody to read, or None."""
    if VaultHelper.get_ciphertext(value, with_tags=False) is not None:
        return None
    origin = Origin.get_tag(value)
    if origin is None or not origin.path:
        return None
    path = Path(origin.path)
    try:
        with path.open("rb") as stream:
            return None if stream.read(len(_VAULT)) == _VAULT else str(path)
    except OSError:
        return None
