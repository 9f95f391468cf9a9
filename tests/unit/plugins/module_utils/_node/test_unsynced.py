# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import unsynced

HELD = ("bytecode/cpython-311/ab", "conda/idna-3-0", "conda/idna-3-0.conda", "rattler/idna-3-0")
NEW = ("bytecode/cpython-311/cd", "conda/six-1-0", "conda/six-1-0.conda", "rattler/six-1-0")

Start = Callable[[str], None]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start the machine anew."""
    boot_id = tmp_path / "boot_id"
    monkeypatch.setattr(unsynced, "_BOOT_ID", str(boot_id))
    return lambda boot: boot_id.write_text(f"{boot}\n") and None


@pytest.fixture
def pkgs(tmp_path: Path, start: Start) -> Path:
    """Return caches that hold something, in the first start of the machine."""
    start("first")
    pkgs = tmp_path / "pkgs"
    unpack(pkgs, *HELD)
    (pkgs / "uv" / "archive-v0").mkdir(parents=True)
    return pkgs


def unpack(pkgs: Path, *names: str) -> None:
    for name in names:
        path = pkgs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.touch()
        else:
            path.mkdir()
            (path / "file").touch()


def test_a_build_that_is_on_the_disk_leaves_no_note(pkgs: Path) -> None:
    assert unsynced.begin(str(pkgs)) == ()
    unpack(pkgs, *NEW)
    unsynced.end(str(pkgs))
    unsynced.end(str(pkgs))
    assert unsynced.entries(str(pkgs)) == sorted((*HELD, *NEW))
    assert [path.name for path in pkgs.glob(".*")] == []


def test_what_a_power_cut_may_have_emptied_goes_and_the_rest_stays(pkgs: Path, start: Start) -> None:
    unsynced.begin(str(pkgs))
    unpack(pkgs, *NEW)
    start("second")
    assert unsynced.begin(str(pkgs)) == (*sorted(NEW), "uv")
    assert unsynced.entries(str(pkgs)) == sorted(HELD)
    assert not (pkgs / "uv").exists()
    assert unsynced.begin(str(pkgs)) == ()


def test_a_killed_build_alone_costs_nothing(pkgs: Path) -> None:
    unsynced.begin(str(pkgs))
    unpack(pkgs, *NEW)
    assert unsynced.begin(str(pkgs)) == ()
    assert unsynced.entries(str(pkgs)) == sorted((*HELD, *NEW))


def test_what_a_killed_build_unpacked_is_not_believed_after_a_power_cut_either(pkgs: Path, start: Start) -> None:
    unsynced.begin(str(pkgs))
    unpack(pkgs, *NEW)
    unsynced.begin(str(pkgs))
    start("second")
    assert unsynced.begin(str(pkgs)) == (*sorted(NEW), "uv")


def test_a_build_that_writes_anew_what_is_there_leaves_nothing_to_believe(pkgs: Path, start: Start) -> None:
    unsynced.begin(str(pkgs), rewriting=True)
    start("second")
    assert unsynced.begin(str(pkgs)) == (*sorted(HELD), "uv")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"boot": "first"}', '{"boot": "first", "held": 1}'])
def test_without_a_note_that_can_be_understood_nothing_is_believed(pkgs: Path, text: str) -> None:
    (pkgs / unsynced.NOTE).write_text(text)
    assert unsynced.begin(str(pkgs)) == (*sorted(HELD), "uv")
    assert json.loads((pkgs / unsynced.NOTE).read_text()) == {"boot": "first", "held": []}


def test_the_first_build_makes_the_directory(tmp_path: Path, start: Start) -> None:
    start("first")
    pkgs = tmp_path / "evenkeel" / "pkgs"
    assert unsynced.begin(str(pkgs)) == ()
    assert unsynced.places(str(pkgs)) == [str(pkgs)]


def test_each_cache_may_be_a_file_system_of_its_own(pkgs: Path) -> None:
    found = [Path(place).name for place in unsynced.places(str(pkgs))]
    assert found == ["pkgs", "bytecode", "conda", "rattler", "uv"]
    assert unsynced.places(str(pkgs / "absent")) == []
