# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from pathlib import Path

from lab.upstream.debian import apt_repository, deb_package
from lab.upstream.os_package import OsPackage


def test_a_list_names_a_package_and_its_file(tmp_path: Path) -> None:
    package = OsPackage("example", "1-1", "all", "Example")
    file = deb_package.write(package, tmp_path)
    stanza = apt_repository.stanza(package, file)
    assert stanza.startswith("Package: example\n")
    assert "Filename: ./example_1-1_all.deb\n" in stanza
    assert f"SHA256: {hashlib.sha256(file.read_bytes()).hexdigest()}\n" in stanza


def test_a_release_vouches_for_its_lists() -> None:
    text = apt_repository.release_text({"Packages": b"abc"}, {"Origin": "Example"})
    assert text.startswith("Origin: Example\nDate: ")
    assert f" {hashlib.sha256(b'abc').hexdigest()}         3 Packages\n" in text
