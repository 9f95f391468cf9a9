# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from lab.upstream.nvidia import elf_library


@pytest.mark.parametrize("functions", [{"cuInit": 100}, {"first": 1, "second": 0x7FFFFFFF, "third": 0}])
def test_its_functions_return_what_they_are_to(tmp_path: Path, functions: dict[str, int]) -> None:
    path = tmp_path / "library.so"
    path.write_bytes(elf_library.write("libexample.so.1", functions))
    library = ctypes.CDLL(str(path))
    assert {name: getattr(library, name)() for name in functions} == functions


def test_ldconfig_links_it_by_its_soname(tmp_path: Path) -> None:
    (tmp_path / "libexample.so.1.2.3").write_bytes(elf_library.write("libexample.so.1", {}))
    subprocess.run(["/sbin/ldconfig", "-n", tmp_path], check=True)
    assert (tmp_path / "libexample.so.1").readlink() == Path("libexample.so.1.2.3")
