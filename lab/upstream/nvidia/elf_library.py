# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a shared library for x86-64 whose functions return constants, without a compiler."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_PAGE = 0x1000
_HEADER, _SEGMENT, _SYMBOL = 64, 56, 24
_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_NULL, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SYMENT, _SONAME = 0, 4, 5, 6, 10, 11, 14


def write(soname: str, functions: Mapping[str, int]) -> bytes:
    """Return the library ``soname`` with ``functions``, name to the 32-bit integer that it returns."""
    code = b"".join(b"\xb8" + struct.pack("<I", value) + b"\xc3\x90\x90" for value in functions.values())
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in (soname, *functions))
    offset_of = {name: strings.index(b"\0" + name.encode() + b"\0") + 1 for name in (soname, *functions)}

    symbols_at = _HEADER + 3 * _SEGMENT
    hash_at = symbols_at + _SYMBOL * (len(functions) + 1)
    chain = [*list(range(2, len(functions) + 1)), 0] if functions else []
    table = struct.pack(f"<{4 + len(chain)}I", 1, len(functions) + 1, 1 if functions else 0, 0, *chain)
    strings_at = hash_at + len(table)
    code_at = _aligned(strings_at + len(strings))
    dynamic_at = _aligned(code_at + len(code))

    symbols = b"\0" * _SYMBOL
    for number, name in enumerate(functions):  # global functions of the first section, were there sections
        symbols += struct.pack("<IBBHQQ", offset_of[name], 0x12, 0, 1, code_at + 8 * number, 6)
    entries = (
        *((_SONAME, offset_of[soname]), (_HASH, hash_at), (_STRTAB, strings_at), (_SYMTAB, symbols_at)),
        *((_STRSZ, len(strings)), (_SYMENT, _SYMBOL), (_NULL, 0)),
    )
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    end = dynamic_at + len(dynamic)

    header = struct.pack(
        "<4sBBBBQHHIQQQIHHHHHH",
        *(b"\x7fELF", 2, 1, 1, 0, 0, 3, 62, 1, 0, _HEADER, 0, 0, _HEADER, _SEGMENT, 3, 64, 0, 0),
    )
    segments = _segment(_LOAD, 7, 0, end, _PAGE) + _segment(_DYNAMIC, 6, dynamic_at, len(dynamic), 8)
    segments += _segment(_STACK, 6, 0, 0, 16)
    body = header + segments + symbols + table + strings
    body = body.ljust(code_at, b"\0") + code
    return body.ljust(dynamic_at, b"\0") + dynamic


def _segment(kind: int, flags: int, at: int, size: int, alignment: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, at, at, at, size, size, alignment)


def _aligned(offset: int) -> int:
    return -(-offset // 16) * 16
