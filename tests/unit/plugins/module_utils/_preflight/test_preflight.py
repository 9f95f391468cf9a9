# SPDX-License-Identifier: GPL-3.0-or-later
"""The module preflight on this machine, of which it changes nothing."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._preflight import clock, disks, preflight


def test_a_disk_is_found_by_what_is_there(tmp_path: Path) -> None:
    missing, there = disks.read([f"{tmp_path}/not/yet", str(tmp_path)])
    assert missing["path"] == f"{tmp_path}/not/yet"
    assert missing["mount"] == there["mount"]
    assert os.path.ismount(there["mount"])
    assert str(tmp_path).startswith(there["mount"])
    assert there["free_mib"] > 0
    assert not there["read_only"]


def test_the_file_system_of_processes_has_no_room() -> None:
    assert disks.read(["/proc/sys"])[0]["free_mib"] == 0
    assert disks.read(["/proc/sys"])[0]["free_inodes"] is None


def test_the_same_path_is_read_once() -> None:
    assert len(disks.read(["/", "/", "/usr"])) == 2


def test_the_clock_of_a_container_is_its_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtualization, "container", lambda _system: "podman")
    assert clock.synchronised() is None


@pytest.mark.parametrize(("state", "expected"), [(0, True), (5, False), (-1, None)])
def test_the_kernel_says_whether_the_clock_is_right(
    monkeypatch: pytest.MonkeyPatch, state: int, expected: bool | None
) -> None:
    class Library:
        def adjtimex(self, asked: object) -> int:
            assert bytes(asked) == bytes(512)  # type: ignore[call-overload]
            return state

    monkeypatch.setattr(virtualization, "container", lambda _system: "")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_arguments, **_options: Library())
    assert clock.synchronised() is expected


def test_a_time_limit_is_needed() -> None:
    with pytest.raises(EvenkeelError, match="timeout is 0"):
        preflight.read({"paths": ["/"], "sources": [], "timeout": 0, "port": 8888, "own_conda": []}, True)
