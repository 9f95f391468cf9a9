# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._processes import using

OLD, OLDER, NEW = "/opt/evenkeel/generations/ai/0123", "/opt/evenkeel/generations/ai/0123-2", "/opt/evenkeel/x/4567"
MAPS = "7f0000000000-7f0000001000 r-xp 00000000 08:01 4242                       {path}\n"

AddProcess = Callable[..., None]


@pytest.fixture
def add(tmp_path: Path) -> AddProcess:
    """Add a process to the table of processes in ``tmp_path``."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "maps").write_text(MAPS.format(path=f"{NEW}/lib/self.so"))

    def process(pid: int, exe: str = "/usr/bin/bash", cwd: str = "/", *mapped: str, maps: bool = True) -> None:
        directory = tmp_path / str(pid)
        directory.mkdir()
        if exe:
            (directory / "exe").symlink_to(exe)
            (directory / "cwd").symlink_to(cwd)
        if maps:
            (directory / "maps").write_text("".join(MAPS.format(path=path) for path in mapped))

    return process


@pytest.mark.parametrize(
    ("exe", "cwd", "mapped", "used"),
    [
        ("/usr/bin/bash", "/", [], set()),
        (f"{OLD}/bin/python3.11", "/", [], {OLD}),
        ("/usr/bin/bash", f"{OLD}/lib", [], {OLD}),
        ("/usr/bin/bash", OLD, [], {OLD}),
        ("/usr/bin/bash", "/", ["/lib/libc.so.6", f"{OLD}/lib/libz.so"], {OLD}),
        ("/usr/bin/bash", "/", [f"{OLD}/lib/libz.so (deleted)"], {OLD}),
        (f"{OLDER}/bin/python3.11", OLDER, [f"{OLDER}/lib/libz.so"], {OLDER}),
        (f"{NEW}/bin/python3.11", "/", [f"{OLD}/lib/libz.so"], {OLD, NEW}),
        ("/home/anna/0123/bin/python", "/home/anna", ["/home/anna/0123/x.so"], set()),
    ],
    ids=["none", "program", "below", "folder", "mapped", "deleted", "longer name", "two", "elsewhere"],
)
def test_using(add: AddProcess, tmp_path: Path, exe: str, cwd: str, mapped: list[str], used: set[str]) -> None:
    add(1)
    add(23, exe, cwd, *mapped)
    assert using([OLD, OLDER, NEW], str(tmp_path)) == used


def test_what_each_process_uses_counts(add: AddProcess, tmp_path: Path) -> None:
    for pid, exe in enumerate((f"{OLD}/bin/python", f"{NEW}/bin/python", f"{OLD}/bin/python")):
        add(pid + 1, exe)
    assert using([OLD, OLDER, NEW], str(tmp_path)) == {OLD, NEW}


def test_processes_that_end_or_tell_nothing_are_left_out(add: AddProcess, tmp_path: Path) -> None:
    add(1, exe="", maps=False)
    add(2, exe="", maps=True)
    add(3, f"{OLD}/bin/python", maps=False)
    assert using([OLD, NEW], str(tmp_path)) == {OLD}


def test_a_name_that_is_no_text_is_borne(add: AddProcess, tmp_path: Path) -> None:
    add(1)
    (tmp_path / "1" / "maps").write_bytes(b"\xff\xfe\n" + MAPS.format(path=f"{OLD}/x.so").encode())
    assert using([OLD], str(tmp_path)) == {OLD}


def test_a_real_process_is_seen(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert using([str(tmp_path), str(tmp_path / "other")]) == {str(tmp_path)}
        process.communicate("\n")
    assert using([str(tmp_path)]) == frozenset()
