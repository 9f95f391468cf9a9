# SPDX-License-Identifier: GPL-3.0-or-later
"""Newer versions of packages, of channels and indexes on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import newest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

MAIN, FORGE = "https://channel.example/main", "https://channel.example/forge"


def channel(folder: Path, *packages: tuple[str, str]) -> None:
    found = {
        f"{name}-{version}-0.conda": {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": [],
            "subdir": "noarch",
            "sha256": "1a" * 32,
        }
        for name, version in packages
    }
    for subdir, content in (("noarch", found), ("linux-64", {})):
        (folder / subdir).mkdir(parents=True)
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": content}
        (folder / subdir / "repodata.json").write_text(json.dumps(index))


def of_conda(name: str, version: str) -> Package:
    return Package(name, version, "0", "1a" * 32)


def of_pip(name: str, version: str, index: str = "") -> Package:
    return Package(name, version, "", "1a" * 32, PIP, index=index)


def test_each_channel_has_its_newest(tmp_path: Path) -> None:
    channel(tmp_path / "main", ("tool", "1.9"), ("tool", "1.10"), ("tool", "2.0rc1"), ("old", "1.0"), ("odd", "2024a"))
    channel(tmp_path / "forge", ("tool", "1.12"), ("old", "0.9"), ("odd", "2024b"))
    mirrors = Mirrors(tuple((url, (tmp_path / url.rpartition("/")[2]).as_uri()) for url in (MAIN, FORGE)))
    packages = [of_conda("tool", "1.9"), of_conda("old", "1.0"), of_conda("odd", "2024a"), of_conda("nowhere", "1")]
    assert newest.of_conda(packages, (MAIN, FORGE), "linux-64", mirrors) == {
        "tool": [(MAIN, "1.10"), (FORGE, "1.12")],
        "odd": [(FORGE, "2024b")],
    }


def test_a_channel_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EvenkeelError, match="could not be read"):
        newest.of_conda([of_conda("tool", "1")], ((tmp_path / "nowhere").as_uri(),), "linux-64", Mirrors())


def test_an_index_has_its_newest(tmp_path: Path) -> None:
    pages = {
        "a-b": ["a_b-1.0-py3-none-any.whl", "a_b-1.2.tar.gz", "a_b-2.0rc1-py3-none-any.whl", "a_b-nonsense.zip"],
        "same": ["same-1.0-py3-none-any.whl"],
        "taken-back": ["taken_back-2.0-py3-none-any.whl"],
    }
    for name, files in pages.items():
        (tmp_path / "index" / name).mkdir(parents=True)
        yanked = " data-yanked" if name == "taken-back" else ""
        (tmp_path / "index" / name / "index.html").write_text("".join(f'<a href="{one}"{yanked}>' for one in files))
    index = "https://index.example/simple"
    mirrors = Mirrors(((index, (tmp_path / "index").as_uri()),))
    packages = [of_pip("a-b", "1.0"), of_pip("same", "1.0+cu124"), of_pip("taken-back", "1.0"), of_pip("nowhere", "1")]
    assert newest.of_pip(packages, index, mirrors) == {"a-b": [(index, "1.2")]}
    assert newest.of_pip([of_pip("a-b", "1.0", index)], "https://other.example", mirrors) == {"a-b": [(index, "1.2")]}
