# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which distributions advisories say are vulnerable; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisory, Event

with optional():
    from packaging.version import InvalidVersion, Version

#: At one version, what ends a range comes before what begins the next.
_ORDER = {"fixed": 0, "last_affected": 1, "introduced": 2}
#: The ids of these are shown first.
_FIRST = "CVE-"


@dataclass(frozen=True)
class Verdict:
    """What advisories say of one version of one distribution."""

    #: Each with ``ids``, ``summary``, ``severity``, and ``fixed``, the first version without it, empty where unknown.
    vulnerabilities: tuple[Mapping[str, Any], ...] = ()
    #: The ids of those whose versions can't be compared with this one.
    undecided: tuple[str, ...] = ()


def judge(version: str, advisories: Iterable[Advisory]) -> Verdict:
    """Return the vulnerabilities of a version of a distribution, each once, whatever number of advisories has it.

    Parameters
    ----------
    advisories
        Those of the distribution.
    """
    known = list(advisories)
    affecting: list[Advisory] = []
    undecided: list[str] = []
    for advisory in known:
        try:
            if _affects(advisory, version):
                affecting.append(advisory)
        except InvalidVersion:
            undecided.append(advisory.id)
    found = [_told_together(group, version, known) for group in _groups(affecting)]
    return Verdict(tuple(sorted(found, key=lambda one: one["ids"])), tuple(sorted(set(undecided))))


def _affects(advisory: Advisory, text: str) -> bool:
    """Whether a version is affected. Raises an ``InvalidVersion`` where that can't be said."""
    if text in advisory.versions:
        return True
    version = _public(text)
    if any(version == _public(one) for one in advisory.versions if _is_version(one)):
        return True
    if any(_within(version, events) for events in advisory.ranges):
        return True
    if not advisory.ranges and not advisory.versions:
        raise InvalidVersion("It names commits alone")
    if not all(any(kind == "introduced" for kind, _at in events) for events in advisory.ranges):
        raise InvalidVersion("It does not say where a range begins")
    return False


def _within(version: Version, events: Sequence[Event]) -> bool:
    limits = [one for kind, one in events if kind == "limit" and one != "*"]
    if limits and not any(version < _public(one) for one in limits):
        return False
    affected = False
    for at, kind in sorted(
        ((_at(one), kind) for kind, one in events if kind != "limit"), key=lambda one: (one[0], _ORDER[one[1]])
    ):
        if version < at or (kind == "last_affected" and version == at):
            break
        affected = kind == "introduced"
    return affected


def _at(text: str) -> Version:
    """Return the version of an event; the first of all is written as 0."""
    return Version("0.dev0") if text == "0" else _public(text)


def _public(text: str) -> Version:
    """Return a version without the name of a build, such as CUDA's: an advisory is for all builds."""
    return Version(Version(text).public)


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _groups(advisories: Iterable[Advisory]) -> list[list[Advisory]]:
    """Return advisories in groups with ids in common."""
    groups: list[list[Advisory]] = []
    for advisory in advisories:
        same = [group for group in groups if any(advisory.ids & one.ids for one in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(one for group in same for one in group), advisory])
    return groups


def _told_together(group: Sequence[Advisory], version: str, known: Iterable[Advisory]) -> dict[str, Any]:
    ids = sorted({id_ for one in group for id_ in one.ids}, key=lambda id_: (not id_.startswith(_FIRST), id_))
    return {
        "ids": ids,
        "summary": next((one.summary for one in group if one.summary), ""),
        "severity": next((one.severity for one in group if one.severity), ""),
        "fixed": _first_without([one for one in known if one.ids.intersection(ids)], version),
    }


def _first_without(advisories: Sequence[Advisory], version: str) -> str:
    """Return the first later version with a fix that none of these advisories affects; empty where there is none."""
    fixed = {at for one in advisories for events in one.ranges for kind, at in events if kind == "fixed"}
    later = [at for at in fixed if _is_version(at) and _is_version(version) and _public(at) > _public(version)]
    in_order = sorted(later, key=lambda at: (_public(at), at))
    return next((at for at in in_order if all(_spares(one, at) for one in advisories)), "")


def _spares(advisory: Advisory, version: str) -> bool:
    """Whether a version is known not to be affected."""
    try:
        return not _affects(advisory, version)
    except InvalidVersion:
        return False
