# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of package managers, held by another process."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import manager_lock

HOLD = """\
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Return a file that another process has locked, and that process."""
    path = tmp_path / "lock"
    argv = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield str(path), process
        process.kill()


def test_the_process_that_holds_a_lock_is_found(locked: tuple[str, subprocess.Popen[str]]) -> None:
    path, process = locked
    assert manager_lock.holder(path) == process.pid


def test_nobody_holds_what_is_not_locked_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "free").touch()
    assert manager_lock.holder(str(tmp_path / "free")) is None
    assert manager_lock.holder(str(tmp_path / "none")) is None


def test_a_holder_that_the_kernel_does_not_name_is_a_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock").touch()
    locked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    monkeypatch.setattr(manager_lock.fcntl, "fcntl", lambda *_: locked)
    assert manager_lock.holder(str(tmp_path / "lock")) == -1


def test_a_lock_that_stays_is_reported_with_its_holder(locked: tuple[str, subprocess.Popen[str]]) -> None:
    path, process = locked
    with pytest.raises(EvenkeelError, match=f"{path} has been locked for 0 seconds by {sys.executable}") as raised:
        manager_lock.wait(["/nowhere", path], 0)
    assert f" {path}, pid {process.pid}. " in str(raised.value)


def test_who_holds_a_lock_at_this_moment_is_known_without_waiting(locked: tuple[str, subprocess.Popen[str]]) -> None:
    path, process = locked
    said = manager_lock.busy(["/nowhere", path])
    assert said.startswith(f"{path} is locked by ")
    assert said.endswith(f", pid {process.pid}")
    assert manager_lock.busy(["/nowhere"]) == ""


def test_waiting_ends_with_the_lock(locked: tuple[str, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    path, process = locked
    paused: list[float] = []

    def sleep(seconds: float) -> None:
        paused.append(seconds)
        process.kill()
        process.wait()

    monkeypatch.setattr(manager_lock.time, "sleep", sleep)
    manager_lock.wait([path], 600)
    assert paused == [0.5]


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(manager_lock.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(manager_lock.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(manager_lock, "holder", lambda path: -1)
    with pytest.raises(EvenkeelError, match="/lock has been locked for 2 seconds by a process that /proc"):
        manager_lock.wait(["/lock"], 2)
    assert now == [102.0]


def test_nothing_is_waited_for_where_nothing_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager_lock.time, "sleep", lambda seconds: pytest.fail("it waits"))
    manager_lock.wait(["/nowhere"], 600)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"apt-get\0install\0driver\0", "apt-get install driver, pid 7"),
        (b"\xff\0", "\ufffd, pid 7"),
        (b"", "a kernel thread, pid 7"),
    ],
)
def test_a_process_is_known_by_its_command_line(tmp_path: Path, line: bytes, expected: str) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(line)
    assert manager_lock.describe(7, str(tmp_path)) == expected


def test_a_descriptor_does_not_stay_open(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    manager_lock.holder(str(tmp_path / "lock"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
