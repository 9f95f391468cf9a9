# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One drift report of several: of control nodes, each with a part of the inventory, and of nodes that pull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import report
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import UNREACHABLE

Report = Mapping[str, Any]
_NO_REPORT = "It is in no report: the run that was to ask it did not end, or it has delivered none"


def merged(
    reports: Sequence[Report],
    hosts: Mapping[str, Sequence[str]],
    created: datetime,
    pulled: Sequence[Report] = (),
    why: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the report of all hosts. One that is in no report is unknown; of one in several, the newest counts.

    Parameters
    ----------
    reports
        As ``format.read`` returns them.
    hosts
        The hosts of the inventory, each with its groups.
    created
        Now, in UTC.
    pulled
        Those of nodes that pull.
    why
        Of hosts that are in no report, why.
    """
    found: dict[str, Report] = {}
    for one in sorted([*reports, *pulled], key=_made):
        for name, host in one["hosts"].items():
            # A node that pulls needs to let no control node in.
            if not (host["state"] == UNREACHABLE and _pulls(found.get(name) or {}, created)):
                found[name] = host
    missing = {
        name: report.of_host({"failed": (why or {}).get(name) or _NO_REPORT}, groups, {})
        for name, groups in hosts.items()
        if name not in found
    }
    began = min((_made(one).timestamp() - one["seconds"] for one in reports), default=created.timestamp())
    ended = max((_made(one).timestamp() for one in reports), default=created.timestamp())
    entries = {**found, **missing}
    sites = [one["site"] for part in (pulled, reports) for one in sorted(part, key=_made)]
    sites = [site for site in sites if site["commit"] or site["note"]]
    return report.of_run(entries, site=_site(sites), limit="", created=created, seconds=ended - began)


def _pulls(host: Report, now: datetime) -> bool:
    """Whether a host's entry is of a node that pulls and whose next report is not late."""
    return "pull" in host and datetime.fromisoformat(host["pull"]["due"]) >= now


def _made(one: Report) -> datetime:
    return datetime.fromisoformat(one["created"])


def _site(sites: Sequence[Report]) -> dict[str, Any]:
    """Return the newest report's site, without a commit where they were made of different ones."""
    empty = {"path": "", "commit": None, "branch": None, "tag": None, "dirty": None, "note": "There are no reports"}
    newest = dict(sites[-1]) if sites else empty
    commits = list(dict.fromkeys(str(site["commit"])[:12] for site in sites))
    if len(commits) > 1:
        return {**newest, "commit": None, "tag": None, "note": f"Reports of different commits: {', '.join(commits)}"}
    return newest
