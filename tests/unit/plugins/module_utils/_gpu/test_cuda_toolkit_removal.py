# SPDX-License-Identifier: GPL-3.0-or-later
"""Toolkits that Evenkeel has brought go, with what was made for them; those of others stay and are named."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cuda_link,
    cuda_repository,
    cuda_toolkit_removal,
    cuda_toolkits,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.cuda_link import State
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import foreign_sources, repository_removal

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

OURS = ("cuda-toolkit-12-8", "cuda-nvcc-12-8", "cudnn9-cuda-12")
THEIRS = ("cuda-toolkit-11-8", "cuda-nvcc-11-8")
CLEAR = remains.clear
OLD, NEW = "/usr/local/cuda-11.8", "/usr/local/cuda-12.8"


@dataclass
class Node:
    """A node with a toolkit of ours and one of others; ``done`` lists what a run has done to it beside packages."""

    manager: FakeManager
    folder: Path
    link: State = field(default_factory=lambda: State("link", NEW))
    directories: list[str] = field(default_factory=lambda: ["11.8", "12.8"])
    driver: bool = False
    done: list[str] = field(default_factory=list)

    def files(self) -> list[str]:
        """Return the names of the settings that are there."""
        return sorted(path.name for path in self.folder.glob("evenkeel-*"))


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node(FakeManager(dict.fromkeys((*OURS, *THEIRS), "1-1"), holds={OURS[0]}), tmp_path)
    found.manager.serve(monkeypatch)
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "made"))
    for name in ("PROFILE", "FISH", "LOADER"):
        path = tmp_path / f"evenkeel-{name.lower()}"
        path.write_text("ours\n")
        monkeypatch.setattr(cuda_toolkits, name, str(path))

    def withdraw(target: str, gone: set[str]) -> None:
        found.done.append(f"link to {target} without {', '.join(sorted(gone))}")
        found.link = State("link", target) if target else State()

    def rest() -> list[str]:
        return [one for one in found.directories if one != "12.8" or OURS[0] in found.manager.packages]

    def without_toolkits() -> tuple[repository_removal.Removal, tuple[str, ...]]:
        back = foreign_sources.Return({}, (), (), ())
        return repository_removal.Removal((), back, {}), ("the repository",) * found.driver

    monkeypatch.setattr(remains, "clear", lambda folder: None)
    monkeypatch.setattr(cuda_link, "read", lambda: found.link)
    monkeypatch.setattr(cuda_link, "withdraw", withdraw)
    monkeypatch.setattr(cuda_toolkits, "directories", rest)
    monkeypatch.setattr(cuda_toolkits, "make_loader_cache", lambda: found.done.append("loader"))
    isdir = os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: path == OLD or isdir(path))
    monkeypatch.setattr(cuda_repository, "without_toolkits", without_toolkits)
    return found


def recorded(link: str = f"link:{OLD}", packages: tuple[str, ...] = OURS) -> None:
    packaged = [Thing("package", name) for name in packages]
    made.note(cuda_toolkits.BY, [*packaged, Thing("hold", OURS[0]), Thing("file", cuda_link.LINK, link)])


def test_toolkits_go_with_settings_and_the_link_leads_where_it_led_before(node: Node) -> None:
    recorded()
    rehearsed = cuda_toolkit_removal.remove(7, check_mode=True)
    assert (rehearsed.changed, node.done, len(node.files())) == (True, [], 3)
    assert set(node.manager.packages) == {*OURS, *THEIRS}
    outcome = cuda_toolkit_removal.remove(7, check_mode=False)
    assert outcome.diffs == rehearsed.diffs
    assert (set(node.manager.packages), node.manager.holds, node.files()) == ({*THEIRS}, set(), [])
    assert node.done == [f"link to {OLD} without {NEW}", "loader"]
    assert outcome.left == ("the package cuda-toolkit-11-8: no record says that Evenkeel has installed it",)
    assert made.read(cuda_toolkits.BY) == []
    again = cuda_toolkit_removal.remove(7, check_mode=False)
    assert (again.changed, again.left, node.done[2:]) == (False, outcome.left, [])


@pytest.mark.parametrize(
    ("link", "target"), [(made.ABSENT, ""), ("link:/usr/local/cuda-9.0", ""), (f"link:{OLD}", OLD)]
)
def test_the_link_leads_to_a_toolkit_or_goes(link: str, target: str, node: Node) -> None:
    recorded(link)
    outcome = cuda_toolkit_removal.remove(7, check_mode=False)
    assert outcome.default == target
    shown = {diff["after_header"]: diff["after"] for diff in outcome.diffs}
    assert shown[cuda_link.LINK] == (f"-> {target}\n" if target else "")


def test_what_older_releases_have_brought_stays_and_is_named(node: Node) -> None:
    outcome = cuda_toolkit_removal.remove(7, check_mode=False)
    assert set(node.manager.packages) == {*OURS, *THEIRS}
    assert (node.files(), node.link) == ([], State("link", NEW))
    names = ("cuda-toolkit-11-8", "cuda-toolkit-12-8")
    assert outcome.left == tuple(f"the package {name}: no record says that Evenkeel has installed it" for name in names)
    assert not cuda_toolkit_removal.remove(7, check_mode=False).changed


def test_a_toolkit_of_no_package_is_named_and_so_is_why_the_repository_stays(node: Node) -> None:
    recorded()
    node.directories.insert(0, "10.2")
    node.driver = True
    for check_mode in (True, False):
        left = cuda_toolkit_removal.remove(7, check_mode=check_mode).left
        assert left[1:] == ("/usr/local/cuda-10.2: it does not belong to a package", "the repository")


def test_directories_that_packages_leave_empty_go(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded()
    home = node.folder / "cuda-12.8"
    (home / "targets" / "lib").mkdir(parents=True)
    (home / "samples").mkdir()
    (home / "samples" / "mine.cu").touch()
    monkeypatch.setattr(remains, "clear", CLEAR)
    monkeypatch.setattr(cuda_toolkits, "path", lambda version: str(node.folder / f"cuda-{version}"))
    cuda_toolkit_removal.remove(7, check_mode=True)
    assert (home / "targets" / "lib").exists()
    cuda_toolkit_removal.remove(7, check_mode=False)
    assert [path.name for path in home.iterdir()] == ["samples"]


def test_a_bare_node_has_nothing_to_remove_or_to_say(node: Node) -> None:
    node.manager.packages.clear()
    node.directories.clear()
    for path in node.folder.glob("evenkeel-*"):
        path.unlink()
    outcome = cuda_toolkit_removal.remove(7, check_mode=False)
    assert (outcome.changed, outcome.left, outcome.diffs, node.done) == (False, (), (), [])


def test_a_run_that_was_killed_before_the_loader_knew_is_finished_by_the_next(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded()

    def fail() -> None:
        raise EvenkeelError("killed", "")

    know: Callable[[], None] = cuda_toolkits.make_loader_cache
    monkeypatch.setattr(cuda_toolkits, "make_loader_cache", fail)
    with pytest.raises(EvenkeelError, match="killed"):
        cuda_toolkit_removal.remove(7, check_mode=False)
    monkeypatch.setattr(cuda_toolkits, "make_loader_cache", know)
    assert cuda_toolkit_removal.remove(7, check_mode=False).changed
    assert (node.done[-1], node.files()) == ("loader", [])
