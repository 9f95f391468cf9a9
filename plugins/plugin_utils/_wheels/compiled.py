# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What compiled files in a wheel need of the system, read from their ELF headers.

Format: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html and, for symbol versions,
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\x7fELF"
#: The kernel's names of machines, by their numbers in ELF.
MACHINES = {62: "x86_64", 183: "aarch64"}
_DYNAMIC, _VERNEED = 6, 0x6FFFFFFE
#: Of entries of the dynamic section: a library that is needed, and the file's own name as one.
_NEEDED, _SONAME = 1, 14
#: More than compilers write; a file beyond is refused.
_MOST_RECORDS = 1 << 14
_MOST_NAME_BYTES = 1 << 10
#: Of the compiled files of a wheel, together.
_MOST_BYTES = 2 << 30
_VERSION = re.compile(r"(GLIBC|GLIBCXX|CXXABI)_(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Needs:
    """What a compiled file needs."""

    #: As the kernel names it; the number where it is another one.
    machine: str
    #: The newest version of glibc that a symbol asks for, such as ``(2, 34)``; empty when none does.
    glibc: tuple[int, ...] = ()
    #: The newest versions of the C++ library's two families of symbols; empty as well.
    glibcxx: tuple[int, ...] = ()
    cxxabi: tuple[int, ...] = ()
    #: The libraries that it names, such as ``libpq.so.5``.
    libraries: tuple[str, ...] = ()
    #: What others name it by; empty when it is no library.
    soname: str = ""


def needs_of_wheel(wheel: Path) -> dict[str, Needs]:
    """Return the needs of each compiled file of a wheel, by its path.

    Raises
    ------
    ValueError
        It is not an archive that can be read, or a compiled file in it is malformed or too large.
    """
    found, left = {}, _MOST_BYTES
    try:
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                with archive.open(entry) as stream:
                    if stream.read(len(MAGIC)) != MAGIC:
                        continue
                left -= entry.file_size
                if left < 0:
                    raise ValueError(f"its compiled files have more than {_MOST_BYTES} bytes")
                found[entry.filename] = needs_of(archive.read(entry))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, struct.error) as error:
        raise ValueError(f"malformed archive: {error}") from None
    return found


def needs_of(content: bytes) -> Needs:
    """Return the needs of a compiled file, by its content.

    Raises
    ------
    ValueError
        It is cut short or otherwise malformed.
    """
    try:
        return _needs_of(content)
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"malformed ELF: {error}") from None


def _needs_of(content: bytes) -> Needs:
    bits64, order = content[4] == 2, "<" if content[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", content, 18)
    # Of the header: where the table of sections is, the size of its entries and their number.
    table, size, count = struct.unpack_from(
        f"{order}Q10xHH" if bits64 else f"{order}I10xHH", content, 40 if bits64 else 32
    )
    # Of each section: type, offset, size and the section of its texts.
    layout = f"{order}4xI16xQQI" if bits64 else f"{order}4xI8xIII"
    if count and size < struct.calcsize(layout):
        raise ValueError(f"its sections have {size} bytes each")
    sections = [struct.unpack_from(layout, content, table + number * size) for number in range(count)]
    newest: dict[str, tuple[int, ...]] = {}
    dynamic: list[tuple[int, str]] = []
    records = iter(range(_MOST_RECORDS))
    for kind, offset, length, link in sections:
        if kind == _VERNEED:
            for name in _needed_versions(content, offset, sections[link][1], order, records):
                if match := _VERSION.fullmatch(name):
                    version = tuple(map(int, match[2].split(".")))
                    newest[match[1]] = max(version, newest.get(match[1], ()))
        elif kind == _DYNAMIC:
            layout = f"{order}qQ" if bits64 else f"{order}iI"
            dynamic += _dynamic_names(content[offset : offset + length], layout, content, sections[link][1], records)
    return Needs(
        MACHINES.get(machine, str(machine)),
        newest.get("GLIBC", ()),
        newest.get("GLIBCXX", ()),
        newest.get("CXXABI", ()),
        tuple(name for tag, name in dynamic if tag == _NEEDED),
        next((name for tag, name in dynamic if tag == _SONAME), ""),
    )


def _dynamic_names(
    section: bytes, layout: str, content: bytes, texts: int, records: Iterator[int]
) -> Iterator[tuple[int, str]]:
    """Yield the entries of a dynamic section that have a name; it ends with an entry of zeros."""
    whole = len(section) - len(section) % struct.calcsize(layout)
    for tag, value in struct.iter_unpack(layout, section[:whole]):
        _count(records)
        if not tag:
            return
        if tag in (_NEEDED, _SONAME):
            yield tag, _text(content, texts + value)


def _needed_versions(content: bytes, offset: int, texts: int, order: str, records: Iterator[int]) -> list[str]:
    """Return the names of all versions that a section of needed versions lists; ``records`` is how many may be read."""
    found = []
    while True:
        _count(records)
        # Elfxx_Verneed: version, count, file, first of its versions, next.
        _unused, count, _file, first, following = struct.unpack_from(f"{order}HHIII", content, offset)
        one = offset + first
        for _number in range(count):
            _count(records)
            # Elfxx_Vernaux: hash, flags, other, name, next.
            _hash, _flags, _other, name, onward = struct.unpack_from(f"{order}IHHII", content, one)
            found.append(_text(content, texts + name))
            one += onward
        if not following:
            return found
        offset += following


def _text(content: bytes, start: int) -> str:
    return content[start : content.index(b"\0", start, start + _MOST_NAME_BYTES)].decode()


def _count(records: Iterator[int]) -> None:
    if next(records, None) is None:
        raise ValueError(f"it needs more than {_MOST_RECORDS} versions of symbols and libraries")
