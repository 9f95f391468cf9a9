# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The review of one environment: what its lock would become, what is newer, and what is vulnerable in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package, changes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git.committed import of_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside, lock_env
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.relocking import Relocked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import distributions, newest, vulnerable
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisories
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors

#: What an update would do: nothing, something; or it can't be said.
CURRENT, OUTDATED, UNKNOWN = STATES = ("current", "outdated", "unknown")

Found = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """Where newer packages and vulnerabilities are looked for."""

    mirrors: Mirrors
    #: The URL of pip's index; empty where only uv knows it.
    pip_index: str
    #: None where the user gives none.
    advisories: Advisories | None


@dataclass(frozen=True)
class Reviewed:
    """A lock's part of the report, and what would be written."""

    entry: Found
    lock: Lock | None = None
    update: Relocked | None = None


def review(environment: Path, relock: Callable[[], Relocked], sources: Sources) -> Reviewed:
    """Return the review of an environment's lock. What can't be found out is said in it, and is no error.

    Parameters
    ----------
    relock
        Returns what the lock would become.
    """
    path = lock_beside(environment)
    entry: Found = {
        "name": lock_env(environment),
        "environment": str(environment),
        "lock": {**of_file(path), "path": str(path)},
        "state": UNKNOWN,
        "note": "",
        "diff": "",
        "platforms": {},
    }
    if not path.exists():
        return Reviewed({**entry, "note": f"It has no lock. Run lock.yml with lock_env={entry['name']}"})
    try:
        lock = conda_lock.read(path)
    except EvenkeelError as error:
        return Reviewed({**entry, "note": str(error)})
    update = None
    try:
        update = relock()
    except EvenkeelError as error:
        entry["note"] = f"What an update would change is unknown: {error}"
    after = update.plan.after.packages if update else {}
    entry["platforms"] = {
        platform: _platform(lock, platform, after.get(platform), sources) for platform in sorted(lock.packages)
    }
    if update:
        entry |= {"diff": update.plan.diff, "state": OUTDATED if update.plan.changed else CURRENT}
    return Reviewed(entry, lock, update)


def _platform(lock: Lock, platform: str, after: Sequence[Package] | None, sources: Sources) -> Found:
    packages = lock.packages[platform]
    newer, unknown = _newer(packages, lock.channels, platform, sources)
    becomes = {(one.manager, one.name): one.version for one in after or ()}
    judged = _vulnerable(packages, after, sources) if sources.advisories is not None else None
    listed = [
        {
            "name": one.name,
            "manager": one.manager,
            "version": one.version,
            "update": None if after is None else becomes.get((one.manager, one.name), ""),
            "newest": [
                {"where": where, "version": version} for where, version in newer.get((one.manager, one.name), ())
            ],
        }
        for one in sorted(packages)
    ]
    return {
        "count": len(packages),
        "changes": None if after is None else len(changes(packages, after)),
        "packages": [one for one in listed if one["newest"] or one["update"] not in (None, one["version"])],
        "unknown": unknown,
        "advisories": judged,
    }


def _newer(
    packages: Sequence[Package], channels: Sequence[str], platform: str, sources: Sources
) -> tuple[dict[tuple[str, str], list[newest.Newest]], list[str]]:
    """Return the newer versions of packages by manager and name, and why some are unknown."""
    unknown: list[str] = []
    found: dict[tuple[str, str], list[newest.Newest]] = {}

    def add(manager: str, ask: Callable[[], Mapping[str, list[newest.Newest]]]) -> None:
        try:
            found.update({(manager, name): newer for name, newer in ask().items()})
        except EvenkeelError as error:
            unknown.append(f"Newer packages of {manager} are unknown: {error.what}")

    of_conda = [one for one in packages if one.manager == CONDA]
    add(CONDA, lambda: newest.of_conda(of_conda, channels, platform, sources.mirrors))
    of_pip = [one for one in packages if one.manager == PIP]
    fixed = sorted(one.name for one in of_pip if is_built(one) or not one.sha256)
    if fixed:
        unknown.append(f"Newer packages of {PIP} are unknown where no index has the locked one: {', '.join(fixed)}")
    asked = [one for one in of_pip if one.name not in fixed]
    nowhere = sorted(one.name for one in asked if not (one.index or sources.pip_index))
    if nowhere:
        unknown.append(f"Newer packages of {PIP} are unknown, as lock_pip_index is not set: {', '.join(nowhere)}")
    asked = [one for one in asked if one.name not in nowhere]
    add(PIP, lambda: newest.of_pip(asked, sources.pip_index, sources.mirrors))
    return found, unknown


def _vulnerable(packages: Iterable[Package], after: Sequence[Package] | None, sources: Sources) -> Found:
    """Return what advisories say of packages, and which of it an update would end."""
    known = sources.advisories.by_name if sources.advisories else {}
    mirrors = None if after is None else sources.mirrors
    found, why = distributions.of(packages, mirrors)
    updated = {one.name: one.version for one in distributions.of(after or (), mirrors)[0]}
    vulnerabilities, undecided = [], []
    for one in sorted(found, key=lambda one: (one.name, one.package)):
        of_name = known.get(one.name, [])
        verdict = vulnerable.judge(one.version, of_name)
        later = vulnerable.judge(updated[one.name], of_name) if one.name in updated else vulnerable.Verdict()
        remaining = {id_ for each in later.vulnerabilities for id_ in each["ids"]} | set(later.undecided)
        named = {"package": one.package.name, "distribution": one.name, "version": one.version}
        vulnerabilities += [
            {
                **named,
                **each,
                "known_by": one.known_by,
                "ended_by_update": None if after is None else remaining.isdisjoint(each["ids"]),
            }
            for each in verdict.vulnerabilities
        ]
        undecided += [{**named, "id": id_} for id_ in verdict.undecided]
    covered = {one.package for one in found}
    return {
        "vulnerabilities": vulnerabilities,
        "undecided": undecided,
        "by_name_alone": sorted(one.name for one in found if one.known_by == distributions.BY_NAME),
        "note": f"The metadata of conda's packages could not be read: {why}" if why else "",
        "uncovered": sum(1 for one in packages if one not in covered),
    }
