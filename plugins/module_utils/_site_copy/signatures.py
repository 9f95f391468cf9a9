# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Signatures of repositories' lists, checked by gpgv where a key is given and the machine has gpgv."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import tempfile

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_SECONDS = 60
_ARMOURED = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+:[^\r\n]*\r?\n)*\s*(.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)


def unchecked(key: str, member: str) -> str:
    """Return why a signature can't be checked on this machine; empty where it can.

    Parameters
    ----------
    key
        The file of the key, empty where none is given.
    member
        The path of the key in the Debian package that the file is.
    """
    if not key:
        return "no key is given"
    if not shutil.which("gpgv"):
        return "the machine has no gpgv"
    if member and not shutil.which("dpkg-deb"):
        return "the machine has no dpkg-deb to unpack its key with"
    return ""


def require_signed(what: str, signed: str, signature: str, key: str, member: str) -> None:
    """Refuse a list whose signature is not one by the key.

    Parameters
    ----------
    what
        For messages.
    signed
        The list's file.
    signature
        The file of the signature; empty where the list has it within.

    Raises
    ------
    EvenkeelError
        The signature is wrong, or the key is none.
    """
    with tempfile.TemporaryDirectory(prefix="evenkeel-key-") as folder:
        if member:
            command.require(["dpkg-deb", "--extract", key, folder], "Check that %s is a Debian package" % key)
            key = os.path.join(folder, member.lstrip("/"))
        keyring = os.path.join(folder, "keyring.gpg")
        with open(keyring, "wb") as stream:
            stream.write(_binary(key))
        files = [signature, signed] if signature else [signed]
        done = command.run(["gpgv", "--homedir", folder, "--keyring", keyring, *files], timeout=_SECONDS)
    if done.status != 0:
        raise EvenkeelError(
            "The signature of %s is not by the key of its repository: %s" % (what, done.last_words()),
            "Check the upstream, and the key if its owner has changed it. The copy in use stays as it is",
        )


def _binary(path: str) -> bytes:
    """Return a keyring as gpgv reads it."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        raise EvenkeelError("There is no key %s" % path, "Check the option key of the repository") from None
    blocks = _ARMOURED.findall(content.decode("ascii", "replace"))
    try:
        return b"".join(map(_unarmoured, blocks)) if blocks else content
    except binascii.Error:
        raise EvenkeelError("%s is no key" % path, "Check what the option key of the repository names") from None


def _unarmoured(block: str) -> bytes:
    lines = [line.strip() for line in block.splitlines()]
    # The last line is a checksum.
    return base64.b64decode("".join(line for line in lines if line and not line.startswith("=")))
