# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a systemd unit runs with files that have been written anew since it was started."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PROPERTIES = ("ActiveState", "ExecMainStartTimestampMonotonic", "LoadState", "NeedDaemonReload")


@dataclass(frozen=True)
class Unit:
    """What systemd says of the unit; ``started`` is seconds since the epoch, None when it does not run."""

    started: float | None
    needs_reload: bool


def parse(shown: str, now: float, monotonic: float) -> Unit:
    """Read ``systemctl show`` of ``PROPERTIES``, given the current time of both clocks in seconds."""
    properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    running = properties.get("ActiveState") in ("active", "activating", "reloading")
    since_boot = int(properties.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    return Unit(
        started=now - (monotonic - since_boot) if running and since_boot else None,
        needs_reload=properties.get("NeedDaemonReload") == "yes" or properties.get("LoadState") == "not-found",
    )


def modification_times(paths: Iterable[str]) -> dict[str, float]:
    """Return when each of the files that are there was last written, in seconds since the epoch."""
    return {path: os.stat(path).st_mtime for path in paths if os.path.exists(path)}


def newer(unit: Unit, written: Mapping[str, float]) -> list[str]:
    """Return the files that were written after the unit was started."""
    return sorted(path for path, at in written.items() if unit.started is not None and at > unit.started)
