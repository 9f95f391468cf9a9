# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What nodes that pull have reported, as drift reports of one host each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.state import APPLIED
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import report, schema
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import DRIFTED, EQUAL, UNKNOWN

FORMAT = 1
#: Of a larger file nothing is read. One with a drift report of many environments has some 100 KiB.
MOST_BYTES = 1 << 20
#: By how much the clocks of nodes and control nodes may differ.
_CLOCKS_DIFFER = timedelta(minutes=10)
#: What a host's entry keeps of its node's report.
_KEPT = ("outcome", "since", "commit", "applied", "candidate", "ended", "due")
_SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("pulled.schema.json").read_text(encoding="utf-8"))
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))

Said = Mapping[str, Any]


@dataclass
class Gathered:
    """What a folder has: drift reports of one host each, and of each file that is left out why, by its host."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def gather(folder: Path, hosts: Mapping[str, Sequence[str]], now: datetime) -> Gathered:
    """Read the reports ``HOST.json`` in a folder.

    Parameters
    ----------
    hosts
        The hosts of the inventory, each with its groups. The report of another one is left out.

    Raises
    ------
    EvenkeelError
        There is no such folder, or it can't be read.
    """
    found = Gathered()
    for path in _files(folder):
        try:
            if path.stem not in hosts:
                raise EvenkeelError(
                    f"{path}: the inventory has no {path.stem}", "Delete the file, or name its inventory"
                )
            said = read(path)
            found.reports.append(as_drift(said, hosts[path.stem], now))
        except EvenkeelError as error:
            found.left_out[path.stem] = str(error)
    return found


def _files(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        raise EvenkeelError(
            f"There is no folder {folder}", "Name the folder of the nodes' reports by drift_pulled"
        ) from None
    except OSError as error:
        raise EvenkeelError(f"{folder}: {error.strerror}", "Run as a user who may read it") from error
    return [folder / name for name in names if name.endswith(".json") and not name.startswith(".")]


def read(path: Path) -> dict[str, Any]:
    """Return a node's report.

    Raises
    ------
    EvenkeelError
        It can't be read, is no such report, is of another format, or is of another host than its name says.
    """
    remedy = "See `evenkeel-pull status` and `journalctl --unit evenkeel-pull` on the node; its next run replaces it"
    content = user_files.read(str(path), None, MOST_BYTES)
    if content is None:
        raise EvenkeelError(f"{path} is gone", remedy)
    try:
        found = json_of(content.data)
    except ValueError as error:
        raise EvenkeelError(f"{path} is no JSON: {error}", remedy) from error
    written = found.get("format") if isinstance(found, dict) else None
    if written != FORMAT:
        raise EvenkeelError(f"{path} has the format {written!r}, and this version of Evenkeel reads {FORMAT}", remedy)
    place = schema.breach(found, _SCHEMA)
    inner = schema.breach(found["drift"]) if place is None and "drift" in found else None
    if place is not None or inner is not None:
        where = place if inner is None else f"drift.{inner}"
        raise EvenkeelError(f"{path} is no report of a node that pulls{f': see {where}' if where else ''}", remedy)
    if found["host"] != path.stem or ("drift" in found and list(found["drift"]["hosts"]) != [path.stem]):
        raise EvenkeelError(f"{path} is the report of {found['host']!r}", "See pull_agent_host of both nodes")
    return dict(found)


def as_drift(said: Said, groups: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return a node's report as a drift report of it alone."""
    ended = min(datetime.fromisoformat(said["ended"]), now)
    commit = said["commit"] or None
    site = {"path": "", "commit": commit, "branch": None, "tag": None, "dirty": False, "note": ""}
    entry = {**of_host(said, groups, now), "pull": {key: said[key] for key in _KEPT}}
    return report.of_run({said["host"]: entry}, site=site, limit="", created=ended, seconds=0)


def of_host(said: Said, groups: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return the entry of a node: of its drift report where that counts, otherwise of how its run ended."""
    state, message, since = verdict(said, now)
    entry = report.of_host({"failed": message}, groups, {})
    if state is None:
        own = said["drift"]["hosts"][said["host"]]
        since = datetime.fromisoformat(own["since"]) if own["since"] else None
        entry, state = {**own, "groups": entry["groups"]}, own["state"]
    return {**entry, "state": state, "since": since.isoformat(timespec="seconds") if since else None}


def verdict(said: Said, now: datetime) -> tuple[str | None, str, datetime | None]:
    """Return a node's state, why, and since when; the state is None where its drift report says it."""
    ended, due, since = (datetime.fromisoformat(said[key]).astimezone(UTC) for key in ("ended", "due", "since"))
    last = ", ".join(filter(None, [said["outcome"], said["commit"][:12]]))
    if ended > now + _CLOCKS_DIFFER:
        return UNKNOWN, f"Its report is of {said['ended']}, which is yet to come: compare the node's clock", now
    if due < now:
        return UNKNOWN, f"Last report {_age(now - ended)} ago ({last}): it is off, or its reports do not arrive", due
    if said["outcome"] == APPLIED:
        return (None if "drift" in said else EQUAL), f"Pulls: {last}", None
    # Of a node that has another commit than the remote it is known that it is not as declared.
    state = DRIFTED if said["candidate"] not in ("", said["commit"]) else UNKNOWN
    return state, f"Pulls: {said['outcome']}: {said['reason']}", since


def _age(age: timedelta) -> str:
    seconds = age.total_seconds()
    return next((f"{seconds / length:.0f} {unit}" for length, unit in _UNITS if seconds >= length), "a moment")
