# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One drift report of several, each of which has other hosts of the same inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import report

Report = Mapping[str, Any]


def merged(reports: Sequence[Report], hosts: Mapping[str, Sequence[str]], created: datetime) -> dict[str, Any]:
    """Return the report of all hosts. One that is in no report is unknown; of one in several, the newest counts.

    Parameters
    ----------
    reports
        As ``format.read`` returns them.
    hosts
        The hosts of the inventory, each with its groups.
    created
        Now, in UTC.
    """
    by_age = sorted(reports, key=_made)
    found = {name: host for one in by_age for name, host in one["hosts"].items()}
    missing = {
        name: report.of_host({"failed": "It is in no report: the run that was to ask it did not end"}, groups, {})
        for name, groups in hosts.items()
        if name not in found
    }
    began = min((_made(one).timestamp() - one["seconds"] for one in reports), default=created.timestamp())
    ended = max((_made(one).timestamp() for one in reports), default=created.timestamp())
    entries = {**found, **missing}
    return report.of_run(
        entries, site=_site([one["site"] for one in by_age]), limit="", created=created, seconds=ended - began
    )


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
