# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What systemd says of units, and which processes are theirs."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tcp_port import parse_unit

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "MainPID",
    "ActiveEnterTimestampMonotonic",
    "ExecMainStartTimestampMonotonic",
    "DropInPaths",
)
#: Users choose how many processes they have, and how those are called.
_MOST_COMMANDS, _COMMAND_CHARACTERS = 10, 1000
_RUNNING = ("active", "activating", "reloading")


@dataclass(frozen=True)
class Unit:
    """A unit as systemd sees it.

    Parameters
    ----------
    started
        When it was started, in seconds since the epoch; None when it does not run.
    unread
        Whether systemd has to read its units again to know it as it is on disk.
    """

    name: str
    running: bool = False
    enabled: bool = False
    started: float | None = None
    main_pid: int | None = None
    unread: bool = False
    drop_ins: tuple[str, ...] = ()


def parse(shown: str, now: float, monotonic: float) -> dict[str, Unit]:
    """Read ``systemctl show`` of ``PROPERTIES`` of some units, given the current time of both clocks in seconds."""
    units = {}
    for block in shown.strip().split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        name = properties.get("Id", "")
        running = properties.get("ActiveState") in _RUNNING
        # A socket has no process; it was started when it became active.
        stamps = (properties.get(key) or "0" for key in ("ExecMainStartTimestampMonotonic", PROPERTIES[6]))
        since_boot = next((int(stamp) / 1e6 for stamp in stamps if int(stamp)), 0.0)
        units[name] = Unit(
            name=name,
            running=running,
            enabled=properties.get("UnitFileState") in ("enabled", "enabled-runtime"),
            started=now - (monotonic - since_boot) if running and since_boot else None,
            main_pid=int(properties.get("MainPID") or 0) or None,
            unread=properties.get("NeedDaemonReload") == "yes",
            # Quoted where an instance's name is escaped.
            drop_ins=tuple(shlex.split(properties.get("DropInPaths", ""))),
        )
    return units


def read(names: Sequence[str]) -> dict[str, Unit]:
    """Return the units by name, those that systemd does not know included.

    Raises
    ------
    EvenkeelError
        systemd gave no answer.
    """
    if not names:
        return {}
    argv = ["systemctl", "show", "--property=%s" % ",".join(PROPERTIES), "--", *names]
    shown = command.require(argv, "Run it on a node whose services systemd keeps")
    return {**{name: Unit(name) for name in names}, **parse(shown, time.time(), time.monotonic())}


def processes(unit: Unit, proc: str = "/proc") -> list[str]:
    """Return what runs in a unit beside its main process, for a person: id and command of the first few."""
    found: list[str] = []
    more = 0
    for pid in sorted(map(int, filter(str.isdigit, os.listdir(proc)))):
        home = os.path.join(proc, str(pid))
        with contextlib.suppress(OSError):
            with open(os.path.join(home, "cgroup")) as stream:
                of_unit = parse_unit(stream.read()) == unit.name
            if of_unit and pid != unit.main_pid:
                with open(os.path.join(home, "cmdline"), errors="replace") as stream:
                    words = stream.read(_COMMAND_CHARACTERS).replace("\0", " ").strip()
                if words and len(found) < _MOST_COMMANDS:
                    found.append("pid %d: %s" % (pid, words))
                elif words:
                    more += 1
    return [*found, "%d more" % more] if more else found


def newer_than(started: float | None, paths: Iterable[str]) -> list[str]:
    """Return those of the files that were written after a unit was started; none when it does not run.

    A directory whose time is still to come says nothing, as it would in every run. That of a file is set right.
    """
    if started is None:
        return []
    now = time.time()
    found = []
    for path in filter(os.path.exists, paths):
        written = os.stat(path).st_mtime
        if written > started and not (written > now and os.path.isdir(path)):
            found.append(path)
    return found
