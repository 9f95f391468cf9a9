# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from lab import paths
from lab.upstream.ubuntu import debian_part


def test_what_the_lab_has_of_debian_is_shared_but_for_its_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "DEBIAN", tmp_path)
    names = ("dkms", "linux-headers-6.1.0-1-amd64", "not-fetched")
    stanzas = [f"Package: {name}\nFilename: pool/{name}.deb" for name in names]
    lists = tmp_path / "dists" / "bookworm" / "main" / "binary-amd64"
    lists.mkdir(parents=True)
    (lists / "Packages.xz").write_bytes(lzma.compress("\n\n".join(stanzas).encode() + b"\n"))
    (tmp_path / "pool").mkdir()
    for name in names[:2]:
        (tmp_path / "pool" / f"{name}.deb").touch()
    assert list(debian_part.stanzas("bookworm")) == [stanzas[0] + "\n"]
