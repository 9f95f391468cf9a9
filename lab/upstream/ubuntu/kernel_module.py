# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a kernel module that says what it is, and does nothing, without a compiler."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_HEADER, _SECTION = 64, 64
_PROGBITS, _STRTAB = 1, 3
_NAMES = b"\0.modinfo\0.shstrtab\0"


def write(fields: Mapping[str, str]) -> bytes:
    """Return a relocatable file whose ``.modinfo`` has ``fields``, as ``modinfo`` reads them."""
    about = b"".join(f"{name}={value}".encode() + b"\0" for name, value in fields.items())
    sections_at = -(-(_HEADER + len(about) + len(_NAMES)) // 8) * 8
    header = struct.pack(
        "<4sBBBBQHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0, 1, 62, 1, 0, 0, sections_at, 0, _HEADER, 0, 0, _SECTION, 3, 2),
    )
    sections = bytes(_SECTION)
    sections += _section(b".modinfo", _PROGBITS, _HEADER, len(about))
    sections += _section(b".shstrtab", _STRTAB, _HEADER + len(about), len(_NAMES))
    return (header + about + _NAMES).ljust(sections_at, b"\0") + sections


def _section(name: bytes, kind: int, at: int, size: int) -> bytes:
    return struct.pack("<IIQQQQIIQQ", _NAMES.index(b"\0" + name + b"\0") + 1, kind, 0, 0, at, size, 0, 0, 1, 0)
