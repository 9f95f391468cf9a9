# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Signatures of repositories' lists, checked by gpgv where a key is given and the machine has gpgv."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import tarfile
import tempfile

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_SECONDS = 60
#: Of a package of keys, unpacked.
MOST_BYTES = 4 << 20
_BEGIN, _END = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"


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
        keyring = os.path.join(folder, "keyring.gpg")
        with open(keyring, "wb") as stream:
            stream.write(_keyring(key, member))
        files = [signature, signed] if signature else [signed]
        done = command.run(["gpgv", "--homedir", folder, "--keyring", keyring, *files], timeout=_SECONDS)
    if done.status != 0:
        raise EvenkeelError(
            "The signature of %s is not by the key of its repository: %s" % (what, done.last_words()),
            "Check the upstream, and the key if its owner has changed it. The copy in use stays as it is",
        )


def unarmoured(content: bytes) -> bytes:
    """Return keys as gpgv reads them: those in armour without it, and what has none as it is.

    Raises
    ------
    ValueError
        What is in the armour is no key.
    """
    blocks = [block.partition(_END) for block in content.split(_BEGIN)[1:]]
    bodies = [body for body, end, _rest in blocks if end]
    return b"".join(map(_decoded, bodies)) if bodies else content


def _decoded(body: bytes) -> bytes:
    """Return what is between the lines of an armour; a header has a colon, and the checksum begins with its sign."""
    lines = [line.strip() for line in body.splitlines()]
    return base64.b64decode(b"".join(line for line in lines if b":" not in line and not line.startswith(b"=")))


def _keyring(path: str, member: str) -> bytes:
    """Return the keys of a file, or of a file in a Debian package, as gpgv reads them."""
    try:
        with open(path, "rb") as stream:
            content = _member(path, member.lstrip("/")) if member else stream.read()
        return unarmoured(content)
    except FileNotFoundError:
        raise EvenkeelError("There is no key %s" % path, "Check the option key of the repository") from None
    except ValueError:
        what = "no package of the key %s" % member if member else "no key"
        raise EvenkeelError("%s is %s" % (path, what), "Check what the option key of the repository names") from None


def _member(package: str, name: str) -> bytes:
    """Return a file of a Debian package, of which no more is unpacked than a package of keys has."""
    argv = ["dpkg-deb", "--fsys-tarfile", package]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        unpacked = process.stdout.read(MOST_BYTES) if process.stdout else b""
        process.kill()
    return file_of(unpacked, name)


def file_of(archive: bytes, name: str) -> bytes:
    """Return a file of an archive of tar.

    Raises
    ------
    ValueError
        It has none of that name.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as members:
            for member in members:
                stream = members.extractfile(member) if member.isreg() and member.name.lstrip("./") == name else None
                if stream:
                    # A sparse file may be far longer than its archive.
                    return stream.read(MOST_BYTES)
    # Of archives that are nothing but headers of headers.
    except (tarfile.TarError, RecursionError) as error:
        raise ValueError(str(error)) from error
    raise ValueError("no %s" % name)
