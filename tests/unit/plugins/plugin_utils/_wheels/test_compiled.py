# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import compiled
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs, needs_of, needs_of_wheel

GCC, GPP, OBJDUMP = shutil.which("gcc"), shutil.which("g++"), shutil.which("objdump")


def elf(machine: int, versions: list[str], *, bits: int = 64, order: str = "<") -> bytes:
    """Return an ELF file that needs ``versions`` of one library, of the class and byte order that are asked for."""
    texts, at = b"\0", {}
    for text in ("libc.so.6", *versions):
        at[text] = len(texts)
        texts += text.encode() + b"\0"
    needed = b"".join(
        struct.pack(f"{order}IHHII", 0, 0, 0, at[one], 16 if one != versions[-1] else 0) for one in versions
    )
    needed = struct.pack(f"{order}HHIII", 1, len(versions), at["libc.so.6"], 16, 0) + needed
    header_size, entry_size = (64, 64) if bits == 64 else (52, 40)
    table = header_size + len(needed) + len(texts)
    kind = 0x6FFFFFFE

    def section(kind: int, offset: int, size: int, link: int) -> bytes:
        if bits == 64:
            return struct.pack(f"{order}IIQQQQIIQQ", 0, kind, 0, 0, offset, size, link, 0, 0, 0)
        return struct.pack(f"{order}IIIIIIIIII", 0, kind, 0, 0, offset, size, link, 0, 0, 0)

    sections = [
        section(0, 0, 0, 0),
        section(kind, header_size, len(needed), 2),
        section(3, header_size + len(needed), len(texts), 0),
    ]
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    layout = "HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH"
    fields = (3, machine, 1, 0, 0, table, 0, header_size, 0, 0, entry_size, len(sections), 0)
    return ident + struct.pack(f"{order}{layout}", *fields) + needed + texts + b"".join(sections)


@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (32, "<"), (64, ">")])
def test_the_newest_version_counts_not_the_longest_text(bits: int, order: str) -> None:
    content = elf(
        62, ["GLIBC_2.9", "GLIBC_2.17", "GLIBC_2.2.5", "GLIBCXX_3.4.29", "GLIBC_PRIVATE"], bits=bits, order=order
    )
    assert needs_of(content) == Needs("x86_64", (2, 17), (3, 4, 29))


def test_machines_by_the_kernels_names() -> None:
    assert needs_of(elf(183, ["GLIBC_2.17"])).machine == "aarch64"
    assert needs_of(elf(8, ["GLIBC_2.17"])).machine == "8"


def test_what_needs_no_symbol_of_glibc() -> None:
    assert needs_of(elf(62, ["GLIBCXX_3.4"])).glibc == ()


def test_a_file_that_is_cut_short_is_an_error() -> None:
    content = elf(62, ["GLIBC_2.17"])
    for length in (5, 30, 63, len(content) - 40):
        with pytest.raises(ValueError, match="malformed ELF"):
            needs_of(content[:length])


def test_more_versions_than_a_compiler_writes_are_refused() -> None:
    names = ["GLIBC_2.17"] * 20_000
    with pytest.raises(ValueError, match="malformed ELF: it needs more than 16384 versions"):
        needs_of(elf(62, names))
    # The same versions again and again, through each of many sections.
    content = bytearray(elf(62, ["GLIBC_2.17"] * 2))
    (table,) = struct.unpack_from("<Q", content, 40)
    content += content[table + 64 : table + 128] * 20_000
    struct.pack_into("<H", content, 60, 20_003)
    with pytest.raises(ValueError, match="malformed ELF: it needs more than 16384 versions"):
        needs_of(bytes(content))


def test_a_name_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="malformed ELF"):
        needs_of(elf(62, ["GLIBC_" + "1" * 5000]))


def test_sections_that_are_all_in_one_place_are_refused() -> None:
    content = bytearray(elf(62, ["GLIBC_2.17"]))
    struct.pack_into("<HH", content, 58, 0, 60_000)
    with pytest.raises(ValueError, match="malformed ELF: its sections have 0 bytes each"):
        needs_of(bytes(content))


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_MOST_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.so", compiled.MAGIC + bytes(1 << 20))
    with pytest.raises(ValueError, match="its compiled files have more than 1048576 bytes"):
        needs_of_wheel(tmp_path / "a.whl")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"PK")
    with pytest.raises(ValueError, match="malformed archive"):
        needs_of_wheel(tmp_path / "a.whl")


def test_all_compiled_files_of_a_wheel_whatever_their_names(tmp_path: Path) -> None:
    wheel = tmp_path / "tool-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tool/__init__.py", "")
        archive.writestr("tool/data.bin", elf(62, ["GLIBC_2.34"]))
        archive.writestr("tool/native.so", elf(62, ["GLIBC_2.5"]))
    assert needs_of_wheel(wheel) == {
        "tool/data.bin": Needs("x86_64", (2, 34)),
        "tool/native.so": Needs("x86_64", (2, 5)),
    }


@pytest.mark.skipif(not (GCC and OBJDUMP), reason="needs gcc and objdump")
def test_a_library_of_gcc_needs_what_objdump_says(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text(
        '#include <stdio.h>\n#include <math.h>\nvoid f(double x) { printf("%f", pow(x, x)); }\n'
    )
    library = tmp_path / "a.so"
    subprocess.run(
        [str(GCC), "-shared", "-fPIC", "-O0", "-Wl,-soname,liba.so.1", "-o", library, tmp_path / "a.c", "-lm"],
        check=True,
    )
    said = subprocess.run([str(OBJDUMP), "-p", library], check=True, capture_output=True, text=True).stdout
    versions = {tuple(map(int, found.split("."))) for found in re.findall(r" GLIBC_([\d.]+)$", said, re.MULTILINE)}
    found = needs_of(library.read_bytes())
    assert found.glibc == max(versions) > (2,)
    assert (found.soname, list(found.libraries)) == ("liba.so.1", re.findall(r"NEEDED +(\S+)", said))
    assert "libm.so.6" in found.libraries


@pytest.mark.skipif(not GPP, reason="needs g++")
def test_a_library_of_c_plus_plus_needs_its_symbols(tmp_path: Path) -> None:
    (tmp_path / "a.cc").write_text(
        "#include <string>\nvoid f(std::string &s) { s.append(std::to_string(3)); throw 1; }\n"
    )
    library = tmp_path / "a.so"
    subprocess.run([str(GPP), "-shared", "-fPIC", "-o", library, tmp_path / "a.cc"], check=True)
    found = needs_of(library.read_bytes())
    assert (found.glibcxx[:2], found.cxxabi[:2]) == ((3, 4), (1, 3))
    assert "libstdc++.so.6" in found.libraries
