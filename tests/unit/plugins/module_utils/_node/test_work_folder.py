# SPDX-License-Identifier: GPL-3.0-or-later
"""What killed runs left behind goes; what is in use, somebody else's or no folder stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import work_folder


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(work_folder, "PLACES", (str(tmp_path),))
    return tmp_path


def test_a_folder_that_is_in_use_stays_and_an_abandoned_one_goes_with_what_is_in_it(place: Path) -> None:
    abandoned = place / "evenkeel-dkms-killed" / "src"
    abandoned.mkdir(parents=True)
    with work_folder.made("dkms", str(place)) as folder:
        work_folder.remove_abandoned()
        assert [str(path) for path in place.iterdir()] == [folder]
    assert list(place.iterdir()) == []


def test_what_is_not_ours_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "evenkeel-other-1").mkdir()
    (place / "evenkeel-driver-file").touch()
    (place / "evenkeel-driver-link").symlink_to(place / "evenkeel-other-1")
    before = sorted(place.iterdir())
    work_folder.remove_abandoned()
    assert sorted(place.iterdir()) == before
    (place / "evenkeel-driver-1").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    work_folder.remove_abandoned()
    assert (place / "evenkeel-driver-1").is_dir()


@pytest.mark.parametrize("moment", ["open", "flock"])
def test_a_folder_that_another_run_removes_before_it_is_locked_is_made_again(
    moment: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"open": work_folder.os, "flock": work_folder.fcntl}[moment]
    does = getattr(module, moment)
    removed: list[Path] = []

    def remove_first(*arguments: object, **options: object) -> object:
        if not removed:
            removed.extend(place.iterdir())
            removed[0].rmdir()
        return does(*arguments, **options)

    monkeypatch.setattr(module, moment, remove_first)
    with work_folder.made("repository", str(place)) as folder:
        assert Path(folder) != removed[0]
        assert Path(folder).is_dir()
    assert list(place.iterdir()) == []
