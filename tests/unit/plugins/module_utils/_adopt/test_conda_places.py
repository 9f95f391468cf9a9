# SPDX-License-Identifier: GPL-3.0-or-later
"""Conda of others in homes and in the system's folders: found, and measured within limits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_places
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_files

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:41 / /home rw - nfs4 server:/home rw
31 30 8:3 / /home/local rw - xfs /dev/sdb1 rw
32 22 0:50 / /srv/with\\040space rw - fuse.sshfs user@host: rw
33 22 0:51 / /data rw - autofs systemd-1 rw
"""


def environment(path: Path, *packages: str, base: bool = False) -> Path:
    """Make what conda would."""
    (path / "conda-meta").mkdir(parents=True)
    (path / "conda-meta" / "history").write_text("")
    for name in packages:
        (path / "conda-meta" / f"{name}.json").write_text("{}")
    if base:
        (path / "condabin").mkdir()
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with what people make of conda."""
    base = environment(tmp_path / "Anaconda3", "python", "conda", base=True)
    environment(base / "envs" / "nlp", "python", "torch", "numpy")
    (base / "envs" / "empty").mkdir()
    environment(tmp_path / ".conda" / "envs" / "vision", "python")
    environment(tmp_path / "projects" / "deep" / "env", "python")
    listed = [tmp_path / "projects/deep/env", tmp_path, "/opt/elsewhere", tmp_path / "gone", "\x1b[31m"]
    (tmp_path / ".conda" / "environments.txt").write_text("".join(f"{path}\n" for path in listed))
    (tmp_path / "notes").mkdir()
    return tmp_path


def look(home: Path, on_disk: bool = True, seconds: float = 60.0) -> dict[str, dict[str, Any]]:
    found = conda_places.look_at_home(str(home), lambda _path: on_disk, seconds)
    assert found["refused"] == []
    return {os.path.relpath(one["path"], home): one for one in found["places"]}


def test_what_is_in_a_home(home: Path) -> None:
    found = look(home)
    assert {path: (one["kind"], one["packages"]) for path, one in found.items()} == {
        "Anaconda3": ("distribution", 2),
        "Anaconda3/envs/nlp": ("environment", 3),
        ".conda/envs/vision": ("environment", 1),
        "projects/deep/env": ("environment", 1),
    }
    assert all(one["measured"] and one["bytes"] > 0 for one in found.values())


def test_what_is_on_a_file_server_is_found_and_not_measured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_unused: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(conda_places, "size_below", refuse)
    assert {(one["bytes"], one["measured"]) for one in look(home, on_disk=False).values()} == {(0, False)}


def test_time_runs_out_for_measuring_alone(home: Path) -> None:
    found = look(home, seconds=0)
    assert len(found) == 4
    assert not any(one["measured"] for one in found.values())


def test_what_is_no_file_or_holds_too_much_hides_nothing_else(home: Path) -> None:
    (home / ".conda" / "environments.txt").unlink()
    os.mkfifo(home / ".conda" / "environments.txt")
    environment(home / "miniforge3", base=True)
    crowded = home / "miniforge3" / "envs"
    crowded.mkdir()
    for number in range(user_files.MOST_NAMES + 1):
        (crowded / str(number)).touch()
    found = conda_places.look_at_home(str(home), lambda _path: True, 60)
    assert {os.path.relpath(one["path"], home) for one in found["places"]} == {
        "Anaconda3",
        "Anaconda3/envs/nlp",
        "miniforge3",
        ".conda/envs/vision",
    }
    assert [reason.partition(": ")[2].partition(".")[0] for reason in found["refused"]] == [
        "is a pipe, not a regular file",
        "holds more than 1000 files",
    ]


def test_a_link_is_no_environment_of_its_own(home: Path) -> None:
    (home / "miniconda3").symlink_to(home / "Anaconda3")
    assert "miniconda3" not in look(home)


def test_a_size_counts_a_file_once_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(1 << 20))
    once, complete = conda_places.size_below(str(tmp_path), time.monotonic() + 60)
    os.link(tmp_path / "big", tmp_path / "again")
    (tmp_path / "link").symlink_to("/usr")
    twice, _complete = conda_places.size_below(str(tmp_path), time.monotonic() + 60)
    assert complete
    assert 1 << 20 <= once <= twice < once + (1 << 16)


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/opt/conda", True),
        ("/home/ana/miniconda3", False),
        ("/home/local/bo/miniconda3", True),
        ("/homes", True),
        ("/srv/with space/conda", False),
        ("/data/conda", False),
    ],
)
def test_what_is_on_this_machines_disks(path: str, local: bool) -> None:
    is_on_disk: Callable[[str], bool] = conda_places.is_local(conda_places.mounted(MOUNTS))
    assert is_on_disk(path) is local


def test_our_own_is_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conda_places, "SYSTEM", (str(home),))
    monkeypatch.setattr(conda_places.accounts, "local_users", list)
    monkeypatch.setattr(conda_places.os, "geteuid", lambda: 0)
    monkeypatch.setattr(conda_places.as_user, "call_each", lambda jobs, **_limits: [job() for _user, job in jobs])
    found, problems = conda_places.find([str(home / "Anaconda3")], 60, 60)
    assert ([os.path.relpath(one["path"], home) for one in found], problems) == ([".conda/envs/vision"], [])
    found, _problems = conda_places.find([], 60, 60)
    assert [os.path.relpath(one["path"], home) for one in found] == [
        ".conda/envs/vision",
        "Anaconda3",
        "Anaconda3/envs/nlp",
    ]
