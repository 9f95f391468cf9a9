# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a kernel module that modinfo can read, without a kernel's headers."""

from __future__ import annotations

import struct

_HEADER, _SECTION = 64, 64
_RELOCATABLE, _X86_64 = 1, 62
_BITS, _STRINGS = 1, 3


def write(**fields: str) -> bytes:
    """Return a module with these fields, such as ``version`` and ``license``; it has no code."""
    info = b"".join(f"{name}={value}".encode() + b"\0" for name, value in fields.items())
    names = b"\0.modinfo\0.shstrtab\0"
    names_at = _HEADER + len(info)
    sections_at = -(-(names_at + len(names)) // 8) * 8
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<HHIQQQIHHHHHH", _RELOCATABLE, _X86_64, 1, 0, 0, sections_at, 0, _HEADER, 0, 0, _SECTION, 3, 2
    )
    sections = (
        bytes(_SECTION)
        + _section(names.index(b".modinfo"), _BITS, _HEADER, len(info))
        + _section(names.index(b".shstrtab"), _STRINGS, names_at, len(names))
    )
    return (header + info + names).ljust(sections_at, b"\0") + sections


def _section(name: int, kind: int, at: int, size: int) -> bytes:
    return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, 0, 0, 1, 0)
