# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of OpenPGP keys, of files as repositories publish them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.signatures import MOST_BYTES, file_of, unarmoured

_PUBLIC_KEY = 6
_AR = b"!<arch>\n"
_OPENERS: dict[str, Callable[[Any], IO[bytes]]] = {
    "data.tar": lambda stream: stream,
    "data.tar.xz": lzma.open,
    "data.tar.gz": gzip.open,  # type: ignore[dict-item]
    "data.tar.bz2": bz2.open,
}


def fingerprints(content: bytes, member: str = "") -> list[str]:
    """Return the fingerprints of the keys of a file; none where it has none that can be read.

    Parameters
    ----------
    content
        A key, armoured or not, or a Debian package.
    member
        The path of the key in the package.
    """
    try:
        key = _member(content, member.lstrip("/")) if member else content
        return [found for found in map(_fingerprint, _keys(unarmoured(key))) if found]
    except (ValueError, IndexError, OSError, EOFError, lzma.LZMAError, zlib.error):
        return []


def _member(package: bytes, name: str) -> bytes:
    """Return a file of a Debian package, which is an archive of ar with one of tar in it."""
    if not package.startswith(_AR):
        raise ValueError("no Debian package")
    at = len(_AR)
    while at < len(package):
        title, size = package[at : at + 16].decode("ascii").strip(" /"), package[at + 48 : at + 58].strip()
        if not size.isdigit():
            raise ValueError("no size of a member")
        begin, end = at + 60, at + 60 + int(size)
        if title in _OPENERS:
            with _OPENERS[title](io.BytesIO(package[begin:end])) as stream:
                return file_of(stream.read(MOST_BYTES), name)
        at = end + int(size) % 2
    raise ValueError("no data in the package")


def _keys(binary: bytes) -> Iterator[bytes]:
    """Yield the bodies of the packets that are public keys; see RFC 9580, section 4.2."""
    at = 0
    while at < len(binary):
        first = binary[at]
        if not first & 0x80:
            raise ValueError("no packet of OpenPGP")
        if first & 0x40:
            kind, length = first & 0x3F, binary[at + 1]
            at += 2
            if 192 <= length < 224:
                length, at = ((length - 192) << 8) + binary[at] + 192, at + 1
            elif length == 255:
                length, at = int.from_bytes(binary[at : at + 4], "big"), at + 4
            elif length >= 224:
                raise ValueError("a packet in pieces")
        else:
            kind, width = (first >> 2) & 0x0F, (1, 2, 4)[first & 3]
            length = int.from_bytes(binary[at + 1 : at + 1 + width], "big")
            at += 1 + width
        if kind == _PUBLIC_KEY:
            yield binary[at : at + length]
        at += length


def _fingerprint(body: bytes) -> str:
    """Return that of a key of version 4; empty for others."""
    if body[:1] != b"\x04":
        return ""
    head = b"\x99" + len(body).to_bytes(2, "big")
    return hashlib.sha1(head + body, usedforsecurity=False).hexdigest().upper()
