# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd says of units."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

NOW, MONOTONIC = 1_000_000.0, 500.0


def shown(**properties: str) -> str:
    return "".join(f"{name}={value}\n" for name, value in {"Id": "a.service", **properties}.items())


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (shown(), Unit("a.service")),
        (
            shown(ActiveState="active", MainPID="7", ExecMainStartTimestampMonotonic="400000000"),
            Unit("a.service", running=True, started=NOW - 100, main_pid=7),
        ),
        (
            shown(ActiveState="active", ExecMainStartTimestampMonotonic="", ActiveEnterTimestampMonotonic="300000000"),
            Unit("a.service", running=True, started=NOW - 200),
        ),
        (shown(ActiveState="inactive", ExecMainStartTimestampMonotonic="400000000"), Unit("a.service")),
        (shown(ActiveState="failed", MainPID="0"), Unit("a.service")),
        (
            shown(UnitFileState="enabled", NeedDaemonReload="yes"),
            Unit("a.service", enabled=True, can_be_enabled=False, unread=True),
        ),
        (shown(UnitFileState="static"), Unit("a.service", can_be_enabled=False)),
        (
            shown(ActiveState="reloading", StateChangeTimestampMonotonic="450000000"),
            Unit("a.service", running=True, changed=NOW - 50),
        ),
        (shown(ActiveState="failed", StateChangeTimestampMonotonic="450000000"), Unit("a.service")),
        (shown(UnitFileState="disabled"), Unit("a.service")),
        (shown(DropInPaths="/etc/a /run/b"), Unit("a.service", drop_ins=("/etc/a", "/run/b"))),
        (
            shown(DropInPaths=r'/etc/a "/etc/b@eve\\x40corp.service.d/c.conf"'),
            Unit("a.service", drop_ins=("/etc/a", r"/etc/b@eve\x40corp.service.d/c.conf")),
        ),
    ],
)
def test_parse(text: str, unit: Unit) -> None:
    other = shown(Id="b.socket")
    assert units.parse(f"{text}\n{other}", NOW, MONOTONIC) == {"a.service": unit, "b.socket": Unit("b.socket")}


def test_a_unit_is_found_by_each_of_its_names() -> None:
    text = shown(Id="ssh.service", Names="ssh.service sshd.service", ActiveState="active")
    other = shown(Id=r"a@b\x40c.service", Names=r'"a@b\\x40c.service"', ActiveState="active")
    found = units.parse(f"{text}\n{other}", NOW, MONOTONIC)
    unit = Unit("ssh.service", running=True)
    instance = Unit(r"a@b\x40c.service", running=True)
    assert found == {"ssh.service": unit, "sshd.service": unit, instance.name: instance}


def test_units_that_systemd_does_not_show_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def require(argv: list[str], _: str) -> str:
        asked.append(argv)
        return shown(ActiveState="active") + "\n" + shown(Id="c.service", Names="c.service")

    monkeypatch.setattr(units.command, "require", require)
    assert units.read(["a.service", "b.service"]) == {
        "a.service": Unit("a.service", running=True),
        "b.service": Unit("b.service"),
    }
    assert asked[0][-3:] == ["--", "a.service", "b.service"]
    assert units.read([]) == {}
    assert len(asked) == 1


def test_processes_beside_the_main_one(tmp_path: Path) -> None:
    for pid, unit, command in [
        (1, "init.scope", "init"),
        (7, "a.service", "server"),
        (8, "a.service", "python\0-m\0ipykernel"),
        (9, "a.service", ""),
        (10, "aa.service", "other"),
        (11, "b.service", "another server"),
        *((pid, "b.service", f"kernel {pid}") for pid in range(20, 32)),
    ]:
        home = tmp_path / str(pid)
        home.mkdir()
        (home / "cgroup").write_text(f"0::/system.slice/{unit}\n")
        (home / "cmdline").write_text(command)
    running = [Unit("a.service", main_pid=7), Unit("b.service", main_pid=11), Unit("c.service", main_pid=12)]
    assert units.processes(running, str(tmp_path)) == {
        "a.service": ["pid 8: python -m ipykernel"],
        "b.service": [*(f"pid {pid}: kernel {pid}" for pid in range(20, 30)), "2 more"],
        "c.service": [],
    }
    assert units.processes([], str(tmp_path)) == {}


def test_newer_than(tmp_path: Path) -> None:
    for name, at in [("older", 90), ("newer", 110), ("to come", 1 << 33)]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    (tmp_path / "folder to come").mkdir()
    os.utime(tmp_path / "folder to come", (1 << 33, 1 << 33))
    paths = [str(tmp_path / name) for name in ("older", "newer", "to come", "folder to come", "not there")]
    assert units.newer_than(100, paths) == paths[1:3]
    assert units.newer_than(None, paths) == []
