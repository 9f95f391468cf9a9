# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Passwords of notebook servers: hashed on the control node, and looked for where they should not be in plain text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from ansible.parsing.vault import VaultHelper
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from argon2 import Type
    from argon2.low_level import hash_secret

#: Where variables are beside an inventory or a playbook.
_PLACES = ("group_vars", "host_vars", "vars")
_LARGEST = 1 << 20
_VAULT = b"$ANSIBLE_VAULT"
_SALT_BYTES = 16
_HASH_BYTES = 32
#: The parameters of jupyter_server/auth/security.py of Jupyter Server 2: KiB of memory, rounds, lanes.
_MEMORY, _ROUNDS, _LANES = 10240, 10, 8


def hashed(password: str, node: str, user: str) -> str:
    """Return a password's hash as Jupyter Server reads it; the same in every run, another one for each user and node.

    Raises
    ------
    EvenkeelError
        The password is empty.
    """
    if not password:
        raise EvenkeelError(
            f"The password of {user} is empty, which would let everybody in", "Set one, or leave it out"
        )
    salt = hashlib.sha256(f"evenkeel.gpu.jupyter\0{node}\0{user}".encode()).digest()[:_SALT_BYTES]
    encoded: bytes = hash_secret(password.encode(), salt, _ROUNDS, _MEMORY, _LANES, _HASH_BYTES, Type.ID)
    return f"argon2:{encoded.decode()}"


def in_plain_text(password: str, directories: Iterable[str]) -> Path | None:
    """Return a file with variables that holds a password in plain text, or None.

    Parameters
    ----------
    password
        As Ansible hands it over.
    directories
        Of the inventory and of the playbook; their ``group_vars``, ``host_vars`` and ``vars`` are searched.
    """
    if VaultHelper.get_ciphertext(password, with_tags=False) is not None:
        return None
    found = re.compile(rb"(?<!\w)%s(?!\w)" % re.escape(password.encode()))
    files = (file for top in directories for place in _PLACES for file in sorted(Path(top, place).rglob("*")))
    return next((file for file in files if found.search(_content(file))), None)


def _content(file: Path) -> bytes:
    """Return a file's content; empty when it is not a regular file, encrypted, too large or not readable."""
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return b""
        content = file.read_bytes()
    except OSError:
        return b""
    return b"" if content.startswith(_VAULT) else content
