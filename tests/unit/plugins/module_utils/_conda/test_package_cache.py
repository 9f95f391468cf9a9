# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import package_cache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package_cache import Entry, Limits, superfluous
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

NUMPY, SIX = Package("numpy", "2.3.1", "0", "cd" * 32), Package("six", "1.17.0", "py_0", "ef" * 32)
DAY = 86400.0


class Node:
    """The package caches of one node."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pkgs = root / "pkgs"

    def unpack(self, package: Package, cache: str = "rattler", size: int = 1000, beside: Sequence[str] = ()) -> Path:
        home = self.pkgs / cache / package.stem
        (home / "info").mkdir(parents=True)
        (home / "info" / "index.json").touch()
        (home / "data").write_bytes(b"\0" * size)
        for suffix in beside:
            Path(f"{home}{suffix}").write_bytes(b"\0" * 10)
        return home

    def compile(self, package: Package, tag: str = "cpython-311") -> Path:
        home = self.pkgs / "bytecode" / tag / package.sha256
        home.mkdir(parents=True)
        (home / "index.json").write_bytes(b"\0" * 5)
        return home

    def receive(self, package: Package) -> Path:
        home = self.pkgs / "wheels" / package.sha256
        home.mkdir(parents=True)
        (home / f"{package.name}-1.0-py3-none-any.whl").write_bytes(b"\0" * 7)
        return home

    def build(self, *packages: Package) -> Path:
        path = self.root / "generations" / "ai-dev" / "0123456789abcdef"
        path.mkdir(parents=True)
        generations.write(Generation(str(path), packages), str(path))
        return path

    def entries(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in package_cache.read(str(self.root))}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "evenkeel[1]")


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# superfluous


def entry(name: str, age: float, size: int = 1000, needed: bool = False) -> Entry:
    return Entry(name, (name,), size, 1000 * DAY - age * DAY, needed)


OLD, MIDDLE, YOUNG, NEEDED = entry("old", 90), entry("middle", 30), entry("young", 1), entry("needed", 400, needed=True)


@pytest.mark.parametrize(
    ("limits", "going"),
    [
        (Limits(), []),
        (Limits(seconds=91 * DAY), []),
        (Limits(seconds=90 * DAY), []),
        (Limits(seconds=89 * DAY), ["old"]),
        (Limits(seconds=DAY / 2), ["old", "middle", "young"]),
        (Limits(bytes=3000), []),
        (Limits(bytes=2999), ["old"]),
        (Limits(bytes=1000), ["old", "middle"]),
        (Limits(bytes=1), ["old", "middle", "young"]),
        (Limits(seconds=89 * DAY, bytes=2000), ["old"]),
        (Limits(seconds=89 * DAY, bytes=1999), ["old", "middle"]),
        (Limits(seconds=20 * DAY, bytes=2999), ["old", "middle"]),
    ],
)
def test_superfluous(limits: Limits, going: list[str]) -> None:
    entries = (YOUNG, NEEDED, OLD, MIDDLE)
    assert [entry.name for entry in superfluous(entries, limits, 1000 * DAY)] == going


def test_of_equal_age_the_first_by_name_goes() -> None:
    entries = [entry(name, 5) for name in ("c", "a", "b")]
    assert [entry.name for entry in superfluous(entries, Limits(bytes=1000), 1000 * DAY)] == ["a", "b"]


# read


def test_there_may_be_no_cache(node: Node) -> None:
    assert node.entries() == {}


def test_read(node: Node) -> None:
    node.build(NUMPY)
    numpy = node.unpack(NUMPY, beside=[".lock"])
    conda = node.unpack(SIX, "conda", beside=[".conda"])
    node.unpack(NUMPY, "conda", beside=[".tar.bz2"])
    compiled = node.compile(SIX), node.compile(NUMPY, "cpython-313")
    (node.pkgs / "rattler" / ".cache.lock").touch()
    (node.pkgs / "rattler" / "half-1.0-0").mkdir()
    entries = node.entries()
    assert {name: (found.size, found.needed) for name, found in entries.items()} == {
        "rattler/numpy-2.3.1-0": (0, True),
        "conda/six-1.17.0-py_0": (1010, False),
        "conda/numpy-2.3.1-0": (0, True),
        f"bytecode/cpython-311/{SIX.sha256}": (5, False),
        f"bytecode/cpython-313/{NUMPY.sha256}": (0, True),
    }
    assert entries["rattler/numpy-2.3.1-0"].paths == (str(numpy), f"{numpy}.lock")
    assert entries["conda/six-1.17.0-py_0"].paths == (str(conda), f"{conda}.conda")
    assert entries[f"bytecode/cpython-311/{SIX.sha256}"].paths == (str(compiled[0]),)


def test_wheels_of_the_control_node_go_when_no_generation_needs_them(node: Node) -> None:
    node.build(NUMPY)
    needed, unneeded = node.receive(NUMPY), node.receive(SIX)
    entries = node.entries()
    assert {name: (found.size, found.needed) for name, found in entries.items()} == {
        f"wheels/{NUMPY.sha256}": (0, True),
        f"wheels/{SIX.sha256}": (7, False),
    }
    package_cache.remove([entries[f"wheels/{SIX.sha256}"]])
    assert needed.exists()
    assert not unneeded.exists()


def test_only_what_nobody_else_links_to_has_a_size(node: Node) -> None:
    home = node.unpack(NUMPY)
    (home / "linked").write_bytes(b"\0" * 5000)
    (node.root / "environment").hardlink_to(home / "linked")
    (home / "dangling").symlink_to("x" * 7)
    assert node.entries()["rattler/numpy-2.3.1-0"].size == 1007


def test_an_interrupted_build_needs_nothing(node: Node) -> None:
    node.unpack(NUMPY)
    (node.build(NUMPY) / generations.MARKER).unlink()
    assert not node.entries()["rattler/numpy-2.3.1-0"].needed


# remove, sweep


def test_remove_takes_all_that_belongs_to_an_entry_and_nothing_else(node: Node) -> None:
    node.unpack(NUMPY, beside=[".lock"])
    node.unpack(SIX, beside=[".lock"])
    node.compile(SIX)
    entries = node.entries()
    package_cache.remove([entries["rattler/six-1.17.0-py_0"], entries[f"bytecode/cpython-311/{SIX.sha256}"]])
    assert names(node.pkgs / "rattler") == ["numpy-2.3.1-0", "numpy-2.3.1-0.lock"]
    assert names(node.pkgs / "bytecode" / "cpython-311") == []


def test_an_environment_keeps_the_files_of_a_removed_entry(node: Node) -> None:
    home = node.unpack(NUMPY)
    linked = node.root / "environment"
    linked.hardlink_to(home / "data")
    package_cache.remove(node.entries().values())
    assert linked.stat().st_size == 1000


@pytest.mark.parametrize("kind", ["unpacked", "bytecode"])
def test_an_interrupted_removal_leaves_nothing_that_looks_whole_and_is_swept(
    node: Node, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = node.unpack(SIX) if kind == "unpacked" else node.compile(SIX)

    def stop(path: str, *_arguments: Any) -> None:
        raise KeyboardInterrupt(path)

    entries = node.entries().values()
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            package_cache.remove(entries)
    assert names(home.parent) == [f".removed-{home.name}"]
    assert node.entries() == {}
    package_cache.sweep(str(node.root))
    assert names(home.parent) == []


def test_sweep_leaves_what_is_whole(node: Node) -> None:
    home = node.unpack(SIX)
    package_cache.sweep(str(node.root))
    assert (home / "data").exists()


def test_what_cannot_be_removed_is_named(node: Node) -> None:
    home = node.unpack(SIX, beside=[".lock"])
    entries = node.entries()
    Path(f"{home}.lock").unlink()
    with pytest.raises(
        EvenkeelError, match=r"six-1\.17\.0-py_0\.lock can't be removed from the package cache: No such"
    ):
        package_cache.remove(entries.values())
    assert home.is_dir()


# touch


def test_touch_notes_the_use_in_every_cache(node: Node) -> None:
    homes = [node.unpack(SIX), node.unpack(SIX, "conda"), node.compile(SIX), node.compile(SIX, "cpython-313")]
    other, compiled = node.unpack(NUMPY), node.compile(NUMPY)
    for home in (*homes, other, compiled):
        os.utime(home, (1, 1))
    package_cache.touch(str(node.root), [SIX, Package("not-there", "1", "0", "")])
    assert all(home.stat().st_mtime > 1 for home in homes)
    assert [home.stat().st_mtime for home in (other, compiled)] == [1, 1]
