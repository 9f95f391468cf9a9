# SPDX-License-Identifier: GPL-3.0-or-later
"""A package mirror that is taken down, on a node whose packages, nginx and systemd are fakes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, nginx
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import nginx_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import package_mirror, removal

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

CACHED = "b7f54b2df7773722d382f4809d65029c"
HASHED = "ana:$6$salt$hash\n"


@dataclass
class Node:
    """A node with a mirror, and what was done there; see ``node``."""

    folder: Path
    packages: FakeManager
    done: list[str] = field(default_factory=list)

    @property
    def ours(self) -> Path:
        return self.folder / "evenkeel"

    @property
    def cache(self) -> Path:
        return self.ours / "cache"

    def keep(self, folder: Path, name: str = CACHED, size: int = 3 << 20) -> Path:
        """Have a file in nginx's cache."""
        file = folder / "c" / "29" / name
        file.parent.mkdir(parents=True)
        with file.open("wb") as stream:
            stream.truncate(size)
        return file

    def note(self, **settings: Any) -> None:
        """Have the note of the program that looks after the cache."""
        (self.ours / "etc" / "keeper.json").write_text(json.dumps(settings))

    def remove(self, *, check_mode: bool = False) -> dict[str, Any]:
        defaults = {name: option.get("default") for name, option in package_mirror.ARGUMENT_SPEC.items()}
        return package_mirror.converge({**defaults, "state": "absent", "cache": str(self.cache)}, check_mode)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    """A node whose nginx came for the mirror, with all that the mirror has made but a cache."""
    found = Node(tmp_path, FakeManager({"nginx": "1", "vim": "1"}))
    found.packages.serve(monkeypatch)
    etc, usr, state = (found.ours / name for name in ("etc", "usr", "state"))
    units = (str(etc / "evenkeel.timer"), str(etc / "evenkeel.service"))
    for module, name, path in (
        (removal.keeper_files, "SETTINGS", etc / "keeper.json"),
        (removal.keeper_files, "COMMAND", usr / "command"),
        (removal.keeper_files, "PROGRAM", usr / "program.py"),
        (removal.nginx_config, "PASSWORDS", etc / "users"),
        (removal.nginx_config, "FULL", found.ours / "run" / "full"),
        (removal, "_STATE", state / "state.json"),
        (removal, "_METRICS", state / "metrics.prom"),
        (made, "FOLDER", tmp_path / "made"),
    ):
        monkeypatch.setattr(module, name, str(path))
        if module is not made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(HASHED if name == "PASSWORDS" else "")
    monkeypatch.setattr(removal, "_UNITS", units)
    (usr / "__pycache__").mkdir()
    for path in (*units, usr / "__pycache__" / "program.pyc"):
        Path(path).touch()
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / package_mirror.FILE).write_text("served")
    monkeypatch.setattr(nginx, "path", lambda name: str(tmp_path / "conf.d" / name))
    others = nginx.others
    monkeypatch.setattr(nginx, "others", lambda name: others(name, str(tmp_path)))
    monkeypatch.setattr(nginx, "is_there", lambda: True)
    running = lambda _: {"nginx.service": Unit("nginx.service", running=True)}  # noqa: E731
    monkeypatch.setattr(nginx_removal.units, "read", running)
    monkeypatch.setattr(removal.command, "require", lambda argv, _: found.done.append(" ".join(argv[1:2])))
    made.note("package_mirror", [Thing("package", "nginx")])
    return found


def test_a_mirror_goes_with_its_cache_and_the_nginx_that_came_for_it(node: Node) -> None:
    node.keep(node.cache)
    node.note(cache=str(node.cache), metrics=str(node.ours / "textfile" / "evenkeel.prom"))
    before = node.files()
    rehearsed = node.remove(check_mode=True)
    assert (rehearsed["changed"], node.files(), node.done) == (True, before, [])
    assert rehearsed["warnings"] == [f"The cache in {node.cache}, of 3 MiB, goes"]
    assert "$6$salt" not in str(rehearsed["diff"])
    done = node.remove()
    assert done["diff"] == rehearsed["diff"]
    assert (done["left"], node.packages.packages) == ([], {"vim": "1"})
    # The metrics that an earlier configuration had elsewhere.
    assert node.files() == {"evenkeel/state/metrics.prom"}
    assert node.done == ["disable", "stop", "reload", "daemon-reload"]
    assert not node.cache.exists()
    assert not (node.ours / "etc").exists()


@pytest.mark.parametrize(("noted", "goes"), [(True, True), (False, False)])
def test_a_cache_elsewhere_goes_if_the_node_has_noted_it(
    node: Node, monkeypatch: pytest.MonkeyPatch, *, noted: bool, goes: bool
) -> None:
    elsewhere = node.folder / "srv"
    monkeypatch.setattr(Node, "cache", elsewhere)  # as the role says
    file = node.keep(elsewhere)
    node.note(**({"cache": str(elsewhere)} if noted else {}))
    node.remove()
    assert file.exists() is not goes


def test_what_others_have_in_the_cache_stays_and_is_named(node: Node) -> None:
    node.keep(node.cache)
    node.keep(node.cache / "other", f"{CACHED}.0000000123")
    mine = node.cache / "c" / "notes.txt"
    mine.touch()
    node.note(cache=str(node.cache), metrics=str(node.ours / "state" / "metrics.prom"))
    assert node.remove(check_mode=True)["left"] == [f"{mine}: not made by Evenkeel"]
    assert node.remove()["left"] == [f"{mine}: not made by Evenkeel"]
    assert node.files() == {str(mine.relative_to(node.folder))}
    again = node.remove()
    assert (again["changed"], again["left"]) == (False, [f"{mine}: not made by Evenkeel"])


def test_links_in_the_cache_are_not_followed(node: Node) -> None:
    elsewhere = node.keep(node.folder / "srv")
    node.cache.mkdir()
    (node.cache / "c").symlink_to(elsewhere.parent)
    node.note(cache=str(node.cache), metrics=str(node.ours / "state" / "metrics.prom"))
    node.remove()
    assert elsewhere.exists()


def test_nginx_and_the_front_door_stay_where_the_door_needs_it(node: Node) -> None:
    (node.folder / "conf.d" / "evenkeel-front-door.conf").touch()
    node.note(cache=str(node.cache), metrics="")
    found = node.remove()
    assert "evenkeel-front-door.conf may make it serve more" in found["left"][0]
    assert "nginx" in node.packages.packages


def test_a_removal_that_was_killed_is_finished_by_the_next(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    file = node.keep(node.folder / "srv")
    node.note(cache=str(node.folder / "srv"), metrics=str(node.ours / "state" / "metrics.prom"))
    with monkeypatch.context() as killed:
        killed.setattr(removal, "clear", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            node.remove()
    assert node.remove()["changed"]
    assert not file.exists()
    assert node.remove()["changed"] is False


def test_a_node_that_never_was_a_mirror_is_left_alone(node: Node) -> None:
    node.note(cache=str(node.cache), metrics=str(node.ours / "state" / "metrics.prom"))
    node.remove()
    node.done.clear()
    assert node.remove()["changed"] is False
    assert node.done == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cache": 1, "metrics": {}}'])
def test_a_damaged_note_is_none(node: Node, text: str) -> None:
    (node.ours / "etc" / "keeper.json").write_text(text)
    assert removal.settings() == {}
