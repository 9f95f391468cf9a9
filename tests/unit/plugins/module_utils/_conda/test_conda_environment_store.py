# SPDX-License-Identifier: GPL-3.0-or-later
"""All environments go with what they are built with; those of others, pinned ones and ones in use stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    conda_environment_store,
    environment,
    environment_apply,
    environment_plan,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Policy

from tests.unit.plugins.module_utils._conda.test_environment import DESIRED, Builder

DIGEST = "0123456789abcdef"


class Node:
    def __init__(self, root: Path) -> None:
        self.root = root
        for path in ("pkgs/rattler/x", "pkgs/shared", f"runtime/{DIGEST}", "progress", "distributions"):
            (root / path).mkdir(parents=True)

    def build(self, name: str, *, pin: bool | None = None) -> Path:
        state = environment.read(str(self.root), name, DESIRED.digest)
        plan = environment_plan.plan(state, str(self.root), name, DESIRED, Policy(pin=pin))
        environment_apply.apply(plan, str(self.root), name, Builder())
        return (self.root / "envs" / name).resolve()

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        params = {"state": "absent", "root": str(self.root), "lock_timeout": 5}
        return conda_environment_store.converge(params, check_mode)

    @property
    def folders(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir())


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    paths: set[str] = set()
    monkeypatch.setattr(environment.processes, "using", lambda directories: frozenset(paths & set(directories)))
    return paths


@pytest.fixture
def node(tmp_path: Path, busy: set[str]) -> Node:
    return Node(tmp_path / "evenkeel")


def test_all_environments_go_with_caches_and_tools_and_what_is_anothers_stays(node: Node) -> None:
    node.build("ai-dev")
    node.build("jupyter")
    rehearsed = node.remove(check_mode=True)
    assert rehearsed["changed"]
    assert node.folders == ["distributions", "envs", "generations", "pkgs", "progress", "runtime"]
    done = node.remove()
    assert (done["changed"], done["left"], done["kept"]) == (True, [], [])
    assert set(rehearsed["diff"]["before"].splitlines()) <= set(done["diff"]["before"].splitlines())
    assert (node.folders, [path.name for path in (node.root / "pkgs").iterdir()]) == (
        ["distributions", "pkgs"],
        ["shared"],
    )
    again = node.remove()
    assert (again["changed"], again["left"], node.folders) == (False, [], ["distributions", "pkgs"])


def test_a_node_without_environments_is_left_alone(tmp_path: Path, busy: set[str]) -> None:
    params = {"state": "absent", "root": str(tmp_path / "nowhere"), "lock_timeout": 5}
    assert conda_environment_store.converge(params, check_mode=False)["changed"] is False
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_others_keeps_what_only_looks_like_ours(tmp_path: Path, busy: set[str]) -> None:
    node = Node(tmp_path / "data")
    (node.root / "pkgs" / "theirs").mkdir()
    there = node.folders
    assert (node.remove()["changed"], node.folders) == (False, there)
    (node.root / "locks").mkdir()
    (node.root / "locks" / "pkgs").touch()
    (node.root / "runtime" / "app").mkdir()
    (node.root / "locks" / "printer").touch()
    node.remove()
    assert node.folders == ["distributions", "locks", "pkgs", "runtime"]
    found = [sorted(path.name for path in (node.root / name).iterdir()) for name in ("pkgs", "runtime", "locks")]
    assert found == [["shared", "theirs"], ["app"], ["printer"]]
    (node.root / "locks" / "printer").unlink()
    for path in sorted(node.root.rglob("*"), reverse=True):
        path.rmdir()
    node.remove()
    assert node.root.is_dir()


def test_what_is_in_use_or_pinned_stays_with_the_tools_until_it_is_not(node: Node, busy: set[str]) -> None:
    used, pinned = node.build("ai-dev"), node.build("nlp", pin=True)
    busy.add(str(used))
    left = [
        f"{used}: a process uses it; the first run after its end removes it",
        f"{pinned}: it is pinned",
    ]
    assert node.remove()["left"] == left
    assert (used.is_dir(), pinned.is_dir(), (node.root / "runtime").is_dir()) == (True, True, True)
    assert not (node.root / "envs" / "ai-dev").is_symlink()
    busy.clear()
    assert node.remove()["left"] == left[1:]
    assert not used.exists()


def test_what_others_have_made_stays_and_keeps_nothing_else(node: Node) -> None:
    prefix = node.build("ai-dev")
    (prefix / "lib" / "mine.py").write_text("x")
    theirs = node.root / "envs" / "theirs"
    (theirs / "conda-meta").mkdir(parents=True)
    link = node.root / "envs" / "link"
    link.symlink_to("/srv/env")
    (node.root / "envs" / "two words").mkdir()
    (node.root / "pkgs" / "team").mkdir()
    done = node.remove()
    (kept,) = done["kept"]
    foreign = [f"{node.root}/envs/{name}: not made by Evenkeel" for name in ("link", "theirs", "two words")]
    foreign.append(f"{node.root}/pkgs/team: not made by Evenkeel")
    assert done["left"] == [*foreign, f"{kept}: not made by Evenkeel"]
    assert (theirs.is_dir(), link.is_symlink(), Path(kept).read_text()) == (True, True, "x")
    assert node.folders == ["distributions", "envs", "kept", "pkgs"]
    assert node.remove()["left"] == done["left"]


def test_a_removal_that_was_killed_is_finished_by_the_next(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.build("ai-dev")
    node.build("jupyter")
    with monkeypatch.context() as patched:
        patched.setattr(conda_environment_store.remains.shutil, "rmtree", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            node.remove()
    node.remove()
    assert node.folders == ["distributions", "pkgs"]
