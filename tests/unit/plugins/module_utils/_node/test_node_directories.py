# SPDX-License-Identifier: GPL-3.0-or-later
"""Evenkeel's own directories go last, and only if nothing of others is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, node_directories
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(node_directories, "SETTINGS", str(tmp_path / "etc"))
    monkeypatch.setattr(node_directories, "STATE", str(tmp_path / "var"))
    monkeypatch.setattr(made, "FOLDER", str(tmp_path / "var" / "made"))
    for path in ("etc", "var/code/0123", "var/made", "evenkeel"):
        (tmp_path / path).mkdir(parents=True)
    return tmp_path


def remove(place: Path, *, check_mode: bool = False, root: str = "evenkeel") -> dict[str, Any]:
    return node_directories.converge({"state": "absent", "root": str(place / root)}, check_mode)


def test_they_go_and_the_second_time_nothing_does(place: Path) -> None:
    rehearsed = remove(place, check_mode=True)
    assert (rehearsed["changed"], len(list(place.iterdir()))) == (True, 3)
    assert remove(place) == rehearsed
    assert list(place.iterdir()) == []
    assert remove(place) == {"changed": False, "diff": {"before": "", "after": ""}, "left": []}


def test_directories_that_have_become_empty_go_with_them(place: Path) -> None:
    (place / "etc" / "jupyter" / "ana").mkdir(parents=True)
    (place / "evenkeel" / "kept").mkdir()
    (place / "evenkeel" / "kept" / "link").symlink_to("..")
    assert remove(place)["left"] == [node_directories._STAYS % (place / "evenkeel" / "kept")]
    assert sorted(path.name for path in place.iterdir()) == ["evenkeel"]


def test_what_others_have_put_there_stays_and_is_named(place: Path) -> None:
    for path in ("etc/notes", "var/theirs", "evenkeel/data"):
        (place / path).touch()
    done = remove(place)
    stays = [f"{place}/{path}" for path in ("etc/notes", "var/theirs", "evenkeel/data")]
    assert done["left"] == [node_directories._STAYS % path for path in stays]
    names = ["etc", "notes", "var", "theirs", "evenkeel", "data"]
    assert sorted(path.name for path in place.rglob("*")) == sorted(names)
    assert not remove(place)["changed"]


def test_a_root_by_whose_name_it_may_be_anothers_is_not_looked_into(place: Path) -> None:
    (place / "data" / "empty").mkdir(parents=True)
    (place / "data" / "theirs").touch()
    assert remove(place, root="data")["left"] == []
    assert (place / "data" / "empty").is_dir()
    assert not remove(place, root="data")["changed"]


def test_links_and_mount_points_stay_and_are_named_and_the_second_time_nothing_goes(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = place / "disk"
    (disk / "lost+found").mkdir(parents=True)
    (place / "evenkeel").rmdir()
    (place / "evenkeel").symlink_to(disk)
    remove(place)
    assert [path.name for path in disk.iterdir()] == ["lost+found"]
    (disk / "lost+found").rmdir()
    (disk / "mounted").mkdir()
    monkeypatch.setattr(node_directories.remains.os.path, "ismount", lambda path: path.endswith("/mounted"))
    done = remove(place)
    assert (done["changed"], done["left"]) == (False, [node_directories._STAYS % (place / "evenkeel" / "mounted")])
    assert (disk / "mounted").is_dir()
    (disk / "mounted").rmdir()
    done = remove(place)
    assert (done["changed"], done["left"]) == (False, [node_directories._STAYS % (place / "evenkeel")])


def test_nothing_goes_while_a_layer_has_something_on_the_node(place: Path) -> None:
    made.note("nvidia_driver", [Thing("package", "driver")])
    (place / "var" / "made" / "condarc.json").write_text('{"made": []}')
    done = remove(place)
    assert (done["changed"], done["left"]) == (False, [f"{made.FOLDER}: nvidia_driver still has things on the node"])
    assert (place / "var" / "code").is_dir()
