# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.upstream.debian import deb_package
from lab.upstream.os_package import OsPackage

PACKAGE = OsPackage(
    "libexample1",
    "3:1.2-1",
    "amd64",
    "Example",
    depends=("dkms", "other (= 3:1.2-1)"),
    files={"etc/example.conf": "a=1\n", "usr/bin/example": "#!/bin/sh\n", "usr/lib/libexample.so.1.2": b"\x7fELF"},
    links={"usr/lib/libexample.so.1": "libexample.so.1.2"},
    scripts={"postinst": "#!/bin/sh\n"},
)


def test_its_file_is_named_without_the_epoch() -> None:
    assert deb_package.file_name(PACKAGE) == "libexample1_1.2-1_amd64.deb"


def test_empty_fields_are_left_out() -> None:
    control = deb_package.control(PACKAGE)
    assert "Depends: dkms, other (= 3:1.2-1)\n" in control
    assert "Conflicts" not in control
    assert "\n\n" not in control


def test_the_same_package_has_the_same_bytes() -> None:
    assert deb_package.archive(PACKAGE) == deb_package.archive(PACKAGE)


def test_dpkg_reads_what_is_written(tmp_path: Path) -> None:
    path = deb_package.write(PACKAGE, tmp_path)
    field = subprocess.run(["dpkg-deb", "--field", path, "Version"], check=True, capture_output=True, text=True).stdout
    assert field == "3:1.2-1\n"
    subprocess.run(["dpkg-deb", "--raw-extract", path, tmp_path / "tree"], check=True)
    tree = tmp_path / "tree"
    assert (tree / "usr/bin/example").stat().st_mode & 0o777 == 0o755
    assert (tree / "etc/example.conf").stat().st_mode & 0o777 == 0o644
    assert (tree / "usr/lib/libexample.so.1").readlink() == Path("libexample.so.1.2")
    assert (tree / "DEBIAN/conffiles").read_text() == "/etc/example.conf\n"


@pytest.mark.parametrize(
    ("paths", "expected"),
    [([], []), (["a"], []), (["a/b/c", "a/d"], ["a", "a/b"])],
)
def test_folders_come_before_what_is_in_them(paths: list[str], expected: list[str]) -> None:
    assert deb_package.folders(paths) == expected
