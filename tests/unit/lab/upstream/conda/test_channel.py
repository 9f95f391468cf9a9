# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.upstream.conda import channel, conda_package
from lab.upstream.conda.conda_package import Package
from lab.upstream.conda.debian_python import DebianPython
from lab.upstream.pypi.wheels import Wheel

OLD = DebianPython("3.11.2", "bookworm", (2, 36))
NEW = DebianPython("3.13.5", "trixie", (2, 41))


def _package(name: str, *depends: str, subdir: str = "linux-64") -> Package:
    return Package(name, "3.13.5" if name == "python" else "1.0", "0", 0, subdir, depends)


def _channel(root: Path, *packages: Package) -> Path:
    (root / "empty").mkdir()
    for package in packages:
        conda_package.write(package, root / "empty", root / "main" / package.subdir)
    channel.index(root / "main")
    return root / "main"


def test_a_pure_wheel_is_one_recipe_and_a_binary_one_a_recipe_for_each_python() -> None:
    pure = Wheel(
        "p-1-py3-none-any.whl", "0", "p", "1", ("t>=1; python_version < '3.12'", "n; python_version > '3.12'"), ">=3.9"
    )
    abi3 = Wheel("b-1-cp310-abi3-manylinux_2_17_x86_64.whl", "1", "b", "1", ("p",))
    found = {
        (recipe.wheel.name, recipe.python): recipe.depends
        for recipe in channel.recipes({OLD: {"p": pure, "b": abi3}, NEW: {"p": pure, "b": abi3}})
    }
    assert found == {
        ("p", None): ("n", "python >=3.9", "t >=1"),
        ("b", OLD): ("__glibc >=2.17", "p", "python >=3.11,<3.12.0a0"),
        ("b", NEW): ("__glibc >=2.17", "p", "python >=3.13,<3.14.0a0"),
    }


def test_the_index_comes_in_every_form_and_leaves_nothing_else(tmp_path: Path) -> None:
    main = _channel(tmp_path, _package("one"), _package("two", subdir="noarch"))
    assert sorted(path.name for path in main.iterdir()) == ["linux-64", "noarch"]
    for subdir, name in (("linux-64", "one"), ("noarch", "two")):
        repodata = json.loads((main / subdir / "repodata.json").read_text())
        assert [record["name"] for record in repodata["packages.conda"].values()] == [name]
        assert (main / subdir / "repodata.json.zst").is_file()
        assert (main / subdir / "repodata_shards.msgpack.zst").is_file()
        assert list((main / subdir / "shards").iterdir())


def test_a_complete_channel_is_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel.paths, "BUILD", tmp_path)
    names = (name for name in channel.PROOF)
    channel.prove(_channel(tmp_path, _package("python"), *map(_package, names)), NEW)


@pytest.mark.parametrize(
    "packages",
    [
        [_package("python")],
        [_package("python"), *(_package(name, "gone") for name in channel.PROOF)],
        [_package("python", "__glibc >=2.99"), *map(_package, channel.PROOF)],
    ],
    ids=["package missing", "dependency missing", "C library too old"],
)
def test_an_incomplete_channel_is_refused(
    packages: list[Package], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel.paths, "BUILD", tmp_path)
    with pytest.raises(LabError, match=r"Python 3\.13"):
        channel.prove(_channel(tmp_path, *packages), NEW)


def test_a_package_is_made_once_and_a_half_made_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PACKAGES", tmp_path)
    calls = []

    def make(folder: Path) -> Path:
        calls.append(folder)
        assert not folder.exists()
        folder.mkdir()
        package = folder / "a-1-0.conda"
        package.touch()
        return package

    package = channel.made(make, "recipe")
    assert channel.made(make, "recipe") == package
    assert channel.made(make, "another") != package
    assert len(calls) == 2
    package.rename(package.with_name(".a-1-0.conda.partial"))
    assert channel.made(make, "recipe") == package
    assert len(calls) == 3
