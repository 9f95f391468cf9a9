# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import host
from lab.errors import LabError


def test_the_table_of_packages_names_a_sign_for_each() -> None:
    packages = host.packages()
    assert packages["podman"] == "podman"
    assert all(packages.values())


def test_comments_and_empty_lines_are_no_packages() -> None:
    assert host.parse_packages("# podman podman\n\nrunc   runc\n") == {"runc": "runc"}


def test_what_is_missing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    signs = {"a": "sh", "b": "no-such-program", "c": str(there), "d": str(tmp_path / "absent")}
    assert host.missing(signs) == ["b", "d"]


def test_only_root_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="root"):
        host.check()


def test_the_missing_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "packages", lambda: {"shiny": "no-such-program", "bright": "no-such-either"})
    with pytest.raises(LabError) as caught:
        host.check()
    assert caught.value.remedy == "apt-get install --yes --no-install-recommends shiny bright"


def test_a_full_disk_is_refused_though_the_cache_is_not_there_yet(tmp_path: Path) -> None:
    host.check_disk(tmp_path / "not" / "yet", 1)
    with pytest.raises(LabError, match="GiB free"):
        host.check_disk(tmp_path / "not" / "yet", 2**60)


@pytest.mark.parametrize(
    ("free", "nodes", "refused"),
    [(50, 10, False), (49, 10, True), (0, 1, True), (0, 0, False)],
)
def test_nodes_that_could_not_watch_files_are_refused_with_the_setting(
    free: int, nodes: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_free_inotify", lambda most: min(free, most))
    if not refused:
        host.check_inotify(nodes)
        return
    with pytest.raises(LabError, match=rf"{free} are free: fs\.inotify\.max_user_instances is \d+") as caught:
        host.check_inotify(nodes)
    assert "sysctl fs.inotify.max_user_instances=" in caught.value.remedy


def test_instances_that_can_be_had_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = set(Path("/proc/self/fd").iterdir())
    assert host._free_inotify(3) == 3
    assert set(Path("/proc/self/fd").iterdir()) == opened
    answers = iter([os.open("/dev/null", os.O_RDONLY), -1])
    library = SimpleNamespace(inotify_init1=lambda _flags: next(answers))
    monkeypatch.setattr(host.ctypes, "CDLL", lambda _name: library)
    assert host._free_inotify(3) == 1
    assert set(Path("/proc/self/fd").iterdir()) == opened


def test_limits_stay_where_the_kernel_lets_them_rise(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.read_text
    status = {"may": "CapEff:\t000001ffffffffff\n", "may not": "CapEff:\t000001fffeffffff\n"}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (0, resource.RLIM_INFINITY))
    answers: dict[str, dict[str, int]] = {}
    for case, text in status.items():
        monkeypatch.setattr(Path, "read_text", lambda path, text=text: text if path.name == "status" else "32768\n")
        answers[case] = host.fixed_limits()
    monkeypatch.setattr(Path, "read_text", real)
    assert answers == {"may": {}, "may not": {"nproc": 32768}}
