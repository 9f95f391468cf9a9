# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What compiled files in a wheel need of the system, read from their ELF headers.

Format: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html and, for symbol versions,
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html
"""

from __future__ import annotations

import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"\x7fELF"
#: The kernel's names of machines, by their numbers in ELF.
MACHINES = {62: "x86_64", 183: "aarch64"}
_VERNEED = 0x6FFFFFFE
_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)+)")


@dataclass(frozen=True)
class Needs:
    """What a compiled file needs."""

    #: As the kernel names it; the number where it is another one.
    machine: str
    #: The newest version of glibc that a symbol asks for, such as ``(2, 34)``; empty when none does.
    glibc: tuple[int, ...] = ()


def needs_of_wheel(wheel: Path) -> dict[str, Needs]:
    """Return the needs of each compiled file of a wheel, by its path."""
    found = {}
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    continue
            found[entry.filename] = needs_of(archive.read(entry))
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
    sections = [struct.unpack_from(layout, content, table + number * size) for number in range(count)]
    versions: set[tuple[int, ...]] = set()
    for kind, offset, _length, link in sections:
        if kind == _VERNEED:
            names = _needed_versions(content, offset, sections[link][1], order)
            versions |= {tuple(map(int, match[1].split("."))) for name in names if (match := _GLIBC.fullmatch(name))}
    return Needs(MACHINES.get(machine, str(machine)), max(versions, default=()))


def _needed_versions(content: bytes, offset: int, texts: int, order: str) -> list[str]:
    """Return the names of all versions that a section of needed versions lists."""
    found = []
    while True:
        # Elfxx_Verneed: version, count, file, first of its versions, next.
        _unused, count, _file, first, following = struct.unpack_from(f"{order}HHIII", content, offset)
        one = offset + first
        for _number in range(count):
            # Elfxx_Vernaux: hash, flags, other, name, next.
            _hash, _flags, _other, name, onward = struct.unpack_from(f"{order}IHHII", content, one)
            start = texts + name
            found.append(content[start : content.index(b"\0", start)].decode())
            one += onward
        if not following:
            return found
        offset += following
