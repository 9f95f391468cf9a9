# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A review as a few lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import report as reports
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import support

#: So many places are named.
_NAMED = 3
_SHOWN = (support.ENDED, support.UNKNOWN, support.ENDING, support.LONGER)


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return a line for each version that is not simply supported, each lock and the branch, and one with counts."""
    found = [
        f"{one['product']} {one['version']}: {one['state']}{_ends(one)} ({_named(one['places'])})"
        for one in report["support"]
        if one["state"] in _SHOWN
    ]
    found += [f"lock {lock['name']}: {_lock(lock, report)}" for lock in report["locks"]]
    found += _branch(report["branch"]) if report["branch"] else []
    return [*map(in_one_line, found), "", last(report)]


def last(report: Mapping[str, Any]) -> str:
    """Return how much of each kind was found."""
    counts = report["counts"]
    parts = [
        f"{counts['ended']} past the end of life",
        f"{counts['ending']} near it",
        _number(counts["outdated"], "outdated lock", "outdated locks"),
        _vulnerabilities(counts["vulnerable"]) if reports.knows_vulnerabilities(report) else "vulnerabilities unknown",
        f"{counts['unknown']} unknown",
    ]
    return ", ".join(parts)


def _named(places: list[str]) -> str:
    """Return the first places by name, and how many others there are."""
    more = len(places) - _NAMED
    return ", ".join(places[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ends(one: Mapping[str, Any]) -> str:
    return f", {one['ends']}" if one["ends"] else ""


def _lock(lock: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    changes = sum(platform["changes"] or 0 for platform in lock["platforms"].values())
    update = f"an update changes {_number(changes, 'package', 'packages')}" if changes else ""
    parts = [lock["state"], update or lock["note"].partition("\n")[0]]
    if reports.knows_vulnerabilities(report) and lock["platforms"]:
        parts.append(_vulnerabilities(len(reports.vulnerabilities(lock))))
    return "; ".join(filter(None, parts))


def _branch(branch: Mapping[str, Any]) -> list[str]:
    written = f"commit {branch['commit'][:12]}" if branch["commit"] else "not written"
    left = [f"lock {one['lock']}: not on the branch; {one['why']}" for one in branch["left"]]
    return [f"branch {branch['name']}, {written}: {', '.join(branch['locks']) or 'no lock'}", *left]


def _vulnerabilities(number: int) -> str:
    return _number(number, "known vulnerability", "known vulnerabilities")


def _number(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
