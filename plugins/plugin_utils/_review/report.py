# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The review, as report.schema.json describes it, and what of it makes a run fail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.data_ages import ages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import in_use, locks, support
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisories

KIND = "evenkeel review"
#: The version of the report's form.
FORMAT = 1
#: What a run may fail on.
EOL, VULNERABLE, OUTDATED = FAIL_ON = ("eol", "vulnerable", "outdated")
#: The states of support in the order of their urgency.
_URGENCY = (support.ENDED, support.UNKNOWN, support.ENDING, support.LONGER, support.UNDATED, support.SUPPORTED)

Found = Mapping[str, Any]


def of_run(
    entries: Sequence[Found],
    uses: Iterable[in_use.Use],
    *,
    nodes: Found,
    advisories: Advisories | None,
    site: Found,
    created: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Return the report of a run, without the branch that updated locks are written to.

    Parameters
    ----------
    entries
        Of each environment, what ``locks.review`` returned.
    uses
        What nodes, inventory and locks have.
    nodes
        The drift report that says what the nodes have, as the schema describes it.
    advisories
        None where the user gives none.
    site
        The repository of what is declared.
    created
        Now, in UTC.
    """
    today = created.date()
    supports = [
        {"product": product, "version": version, "places": places, **asdict(support.of(product, version, today))}
        for (product, version), places in in_use.together(uses).items()
    ]
    supports.sort(key=lambda one: (_URGENCY.index(one["state"]), one["product"], one["version"]))
    report: dict[str, Any] = {
        "kind": KIND,
        "format": FORMAT,
        "created": created.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "site": dict(site),
        "counts": _counts(supports, entries),
        "support": supports,
        "nodes": dict(nodes),
        "data": ages(today),
        "advisories": _of_advisories(advisories),
        "locks": list(entries),
        "branch": None,
    }
    shown: dict[str, Any] = sanitised(report)
    return shown


def failures(report: Found, kinds: Collection[str]) -> list[str]:
    """Return a line for each kind of finding that a run is to fail on and that there is, or may be.

    What is unknown is not taken for good.
    """
    lines = []
    if EOL in kinds:
        states = (support.ENDED, support.UNKNOWN)
        lines += [
            f"{one['product']} {one['version']} is "
            + ("past its end of life" if one["state"] == support.ENDED else "of unknown support")
            for one in report["support"]
            if one["state"] in states
        ]
    if VULNERABLE in kinds:
        lines += _unread(report)
        lines += [f"{name} {_vulnerable(lock)}" for name, lock in _by_name(report) if _vulnerable(lock)]
    if OUTDATED in kinds:
        texts = {locks.OUTDATED: "is outdated", locks.UNKNOWN: "may be outdated, which is unknown"}
        lines += [f"{name} {texts[lock['state']]}" for name, lock in _by_name(report) if lock["state"] in texts]
    return lines


def knows_vulnerabilities(report: Found) -> bool:
    """Whether there are advisories that count, so that a lock without vulnerabilities means something."""
    return bool((report["advisories"] or {}).get("counted"))


def vulnerabilities(lock: Found) -> set[tuple[str, str]]:
    """Return the distributions of a lock that are vulnerable, each with the first id of a vulnerability."""
    return {
        (one["distribution"], one["ids"][0])
        for platform in lock["platforms"].values()
        for one in (platform["advisories"] or {}).get("vulnerabilities", ())
    }


def _vulnerable(lock: Found) -> str:
    known, platforms = len(vulnerabilities(lock)), lock["platforms"].values()
    if known:
        return f"has {known} known {'vulnerability' if known == 1 else 'vulnerabilities'}"
    if not platforms or any((one["advisories"] or {}).get("undecided") for one in platforms):
        return "may be vulnerable, which is unknown"
    return ""


def _unread(report: Found) -> list[str]:
    """Return why more may be vulnerable than advisories say."""
    lines = [] if knows_vulnerabilities(report) else ["no advisory counts, so vulnerabilities are unknown"]
    files = [one["file"] for one in (report["advisories"] or {}).get("malformed", ())]
    if files:
        more = f" and {len(files) - 1} more are" if files[1:] else " is"
        lines.append(f"{files[0]}{more} malformed, so more may be vulnerable")
    return lines


def _by_name(report: Found) -> list[tuple[str, Found]]:
    return [(lock["name"], lock) for lock in report["locks"]]


def _counts(supports: Sequence[Found], entries: Sequence[Found]) -> dict[str, int]:
    states = [one["state"] for one in supports]
    of_locks = [one["state"] for one in entries]
    return {
        "ended": states.count(support.ENDED),
        "ending": states.count(support.ENDING),
        "vulnerable": len({one for entry in entries for one in vulnerabilities(entry)}),
        "outdated": of_locks.count(locks.OUTDATED),
        "unknown": states.count(support.UNKNOWN) + of_locks.count(locks.UNKNOWN),
    }


def _of_advisories(advisories: Advisories | None) -> dict[str, Any] | None:
    if advisories is None:
        return None
    return {
        "read": advisories.read,
        "counted": advisories.counted,
        "withdrawn": advisories.withdrawn,
        "newest": advisories.newest or None,
        "malformed": [{"file": file, "why": why} for file, why in advisories.malformed.items()],
    }
