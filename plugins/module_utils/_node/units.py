# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The state of systemd's units: the one reader of it, and of the processes in a unit."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tcp_port import parse_unit

PROPERTIES = (
    "Id",
    "Names",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "MainPID",
    "ActiveEnterTimestampMonotonic",
    "ExecMainStartTimestampMonotonic",
    "StateChangeTimestampMonotonic",
    "DropInPaths",
)
#: Users choose how many processes they have, and how those are called.
_MOST_COMMANDS, _COMMAND_CHARACTERS = 10, 1000
_RUNNING = ("active", "activating", "reloading")
_ENABLED = ("enabled", "enabled-runtime")
_STARTED_BY_OTHERS = ("static", "indirect", "generated", "alias")


@dataclass(frozen=True)
class Unit:
    """A unit as systemd sees it.

    Parameters
    ----------
    enabled
        Whether it starts at boot by itself.
    can_be_enabled
        Whether ``systemctl enable`` would change something; not so of a unit that only others start.
    started, changed
        When it was started, and when it was started or reloaded last, in seconds since the epoch; None when it does not
        run.
    unread
        Whether systemd has to read its units again to know it as it is on disk.
    """

    name: str
    running: bool = False
    enabled: bool = False
    can_be_enabled: bool = True
    started: float | None = None
    changed: float | None = None
    main_pid: int | None = None
    unread: bool = False
    drop_ins: tuple[str, ...] = ()


def parse(shown: str, now: float, monotonic: float) -> dict[str, Unit]:
    """Read ``systemctl show`` of ``PROPERTIES`` of some units, given the current time of both clocks in seconds.

    A unit is there under each of its names.
    """
    units: dict[str, Unit] = {}
    for block in shown.strip().split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        unit = _unit(properties, now - monotonic)
        units.update(dict.fromkeys(_words(properties.get("Names", "")) or [unit.name], unit))
    return units


def _unit(properties: Mapping[str, str], boot: float) -> Unit:
    """Return a unit of which systemd shows these properties; ``boot`` is when the node was started."""
    running = properties.get("ActiveState") in _RUNNING

    def at(*names: str) -> float | None:
        stamps = (int(properties.get(name) or 0) for name in names) if running else ()
        return next((boot + stamp / 1e6 for stamp in stamps if stamp), None)

    return Unit(
        name=properties.get("Id", ""),
        running=running,
        enabled=properties.get("UnitFileState") in _ENABLED,
        can_be_enabled=properties.get("UnitFileState") not in (*_ENABLED, *_STARTED_BY_OTHERS),
        # A socket has no process; it was started when it became active.
        started=at("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic"),
        changed=at("StateChangeTimestampMonotonic"),
        main_pid=int(properties.get("MainPID") or 0) or None,
        unread=properties.get("NeedDaemonReload") == "yes",
        drop_ins=_words(properties.get("DropInPaths", "")),
    )


def _words(shown: str) -> tuple[str, ...]:
    """Split a list that systemctl shows; items with backslashes, as in an escaped instance's name, are quoted."""
    return tuple(shlex.split(shown))


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
    shown = command.require(argv, "The node has to run systemd; see `systemctl status`")
    found = parse(shown, time.time(), time.monotonic())
    return {name: found.get(name, Unit(name)) for name in names}


def processes(running: Iterable[Unit], proc: str = "/proc") -> dict[str, list[str]]:
    """Return for each unit its processes other than the main one, for messages: id and command of the first few."""
    mains = {unit.name: unit.main_pid for unit in running}
    found: dict[str, list[str]] = {name: [] for name in mains}
    more = dict.fromkeys(mains, 0)
    for pid in sorted(map(int, filter(str.isdigit, os.listdir(proc)))) if mains else ():
        home = os.path.join(proc, str(pid))
        with contextlib.suppress(OSError):
            with open(os.path.join(home, "cgroup")) as stream:
                name = parse_unit(stream.read())
            if name not in mains or pid == mains[name]:
                continue
            with open(os.path.join(home, "cmdline"), errors="replace") as stream:
                words = stream.read(_COMMAND_CHARACTERS).replace("\0", " ").strip()
            if words and len(found[name]) < _MOST_COMMANDS:
                found[name].append("pid %d: %s" % (pid, words))
            elif words:
                more[name] += 1
    return {name: [*lines, "%d more" % more[name]] if more[name] else lines for name, lines in found.items()}


def newer_than(started: float | None, paths: Iterable[str]) -> list[str]:
    """Return those of the files that were written after a unit was started; none when it does not run.

    A directory whose time is in the future is left out, since it would be newer in every run; a file's time is
    corrected when the file is written.
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
