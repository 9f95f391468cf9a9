# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _files as files
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

Usage = namedtuple("Usage", "total used free")


def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("before", [None, "old and longer than the new"])
def test_write_replaces_the_whole_file(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "marker"
    if before is not None:
        path.write_text(before)
        path.chmod(0o600)
    files.write_atomically(str(path), "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["marker"]


@pytest.mark.parametrize("step", ["fsync", "chmod", "rename"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "marker"
    path.write_text("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(str(path), "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["marker"]


@pytest.mark.parametrize("before", [None, "old-target", "dangling"])
def test_link_is_replaced_and_its_directory_made(tmp_path: Path, before: str | None) -> None:
    link = tmp_path / "envs" / "ai-dev"
    if before is not None:
        link.parent.mkdir()
        link.symlink_to(before)
    files.link_atomically(str(link), "../generations/ai-dev/1")
    assert link.readlink() == Path("../generations/ai-dev/1")
    assert names(link.parent) == ["ai-dev"]


def test_link_is_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "ai-dev"
    link.symlink_to("old")
    seen = []
    rename = os.rename

    def look_and_rename(source: str, target: str) -> None:
        seen.append(link.readlink())
        rename(source, target)

    monkeypatch.setattr(os, "rename", look_and_rename)
    files.link_atomically(str(link), "new")
    assert seen == [Path("old")]


def test_a_killed_switch_is_healed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "ai-dev"
    link.symlink_to("old")
    with monkeypatch.context() as killed:
        killed.setattr(os, "rename", fail)
        killed.setattr(os, "unlink", lambda path: None)
        with pytest.raises(OSError, match="No space left"):
            files.link_atomically(str(link), "half-way")
    assert link.readlink() == Path("old")
    assert len(names(tmp_path)) == 2
    files.link_atomically(str(link), "new")
    assert link.readlink() == Path("new")
    assert names(tmp_path) == ["ai-dev"]


def test_a_directory_at_the_link_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "ai-dev"
    link.mkdir()
    (link / "work").touch()
    with pytest.raises(OSError, match="directory"):
        files.link_atomically(str(link), "new")
    assert names(tmp_path) == ["ai-dev"]
    assert names(link) == ["work"]


@pytest.mark.parametrize("path", ["/opt/evenkeel", "/srv/data/two words"])
def test_normalised_paths_are_accepted(path: str) -> None:
    files.require_normalised("root", path)


@pytest.mark.parametrize(
    "path", ["", "/", "//", "opt", "./opt", "/opt/", "/opt//evenkeel", "/opt/../evenkeel", "/opt/."]
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^root is '{path}'"):
        files.require_normalised("root", path)


def test_disk_full_names_the_place_and_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 3 << 20))
    error = files.disk_full(str(tmp_path))
    assert f"No space left on the file system of {tmp_path} (3 MiB free)" in str(error)
