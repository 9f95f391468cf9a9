# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Earlier drift reports: what is kept of each, since when a host differs, and which are old enough to go."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import EQUAL

_NAME = re.compile(r"drift-\d{8}T\d{6}Z(-[0-9a-f]{8})?\.json\Z")

Report = Mapping[str, Any]


def name_of(created: datetime, text: str) -> str:
    """Return the name of the file of a report, which another report of the same second does not have."""
    return f"drift-{created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"


def is_ours(name: str) -> bool:
    """Whether a file is named as a report is."""
    return bool(_NAME.match(name))


def without_layers(report: Report) -> dict[str, Any]:
    """Return a report as it is kept: without its layers, which are most of it. It is a report still."""
    hosts = {name: {**host, "layers": {}} for name, host in report["hosts"].items()}
    return {**report, "layers": [], "hosts": hosts}


def read_all(
    names: Iterable[str], read: Callable[[str], Report], remedy: str
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return reports by the names of their files, oldest first, and why others are left out.

    Of each report there is what a timeline needs: ``created``, ``status``, ``site``, and of each host its ``state``
    and ``digest``.

    Parameters
    ----------
    read
        Returns the outline of the report in a file.
    remedy
        What to do about a file that is left out.
    """
    found, skipped = {}, []
    for name in names:
        try:
            found[name] = _short(read(name))
        except EvenkeelError as error:
            skipped.append(f"Left out of the history: {EvenkeelError(error.what, remedy)}")
    return dict(sorted(found.items(), key=lambda item: datetime.fromisoformat(item[1]["created"]))), skipped


def _short(report: Report) -> dict[str, Any]:
    return {
        "created": report["created"],
        "status": report["status"],
        "site": report.get("site"),
        "hosts": {name: {"state": host["state"], "digest": host["digest"]} for name, host in report["hosts"].items()},
    }


def since(host: str, created: str, reports: Sequence[Report]) -> str:
    """Return when the first report of the present streak was made in which a host is not equal.

    Parameters
    ----------
    created
        When the present report was made, in which the host is not equal.
    reports
        Earlier ones, oldest first. Those that did not ask the host do not end a streak.
    """
    first = created
    for report in reversed(reports):
        state = report["hosts"].get(host, {}).get("state")
        if state == EQUAL:
            break
        if state:
            first = report["created"]
    return first


def outdated(reports: Mapping[str, Report], *, count: int, days: int, now: datetime) -> list[str]:
    """Return the files of reports that are not kept.

    Parameters
    ----------
    reports
        By their files, oldest first.
    count
        How many to keep; 0 keeps all.
    days
        How old they may be; 0 is no limit.
    """
    oldest = now - timedelta(days=days)
    many = list(reports)[:-count] if count else []
    old = [name for name, report in reports.items() if days and datetime.fromisoformat(report["created"]) < oldest]
    return list(dict.fromkeys([*many, *old]))
