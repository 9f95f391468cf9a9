# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which platforms an environment is locked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile

#: conda's names of those that nodes have.
SUPPORTED = tuple(sorted(PLATFORMS.values()))
DEFAULT = "linux-64"


def chosen(wanted: Sequence[str] | None, environment: EnvironmentFile, before: Lock | None) -> list[str]:
    """Return the platforms to lock for, sorted.

    Parameters
    ----------
    wanted
        Those of the site. None for those that the environment's file names, else those of its lock, else linux-64.
    environment
        It is locked only for platforms that its file names, where it names any.
    before
        The lock that is there.

    Raises
    ------
    EvenkeelError
        The file names none of those that are wanted or that nodes have.
    """
    of_file = list(environment.platforms)
    possible = wanted or (of_file and SUPPORTED) or (before and _supported(before.packages)) or [DEFAULT]
    found = [platform for platform in possible if platform in (of_file or possible)]
    if not found:
        raise EvenkeelError(
            f"{environment.path} is for {_and(of_file)}, not for {' or '.join(possible)}",
            "Add the nodes' platforms to its key platforms",
        )
    return sorted(set(found))


def require_kept(path: Path, before: Lock | None, platforms: Sequence[str]) -> None:
    """Refuse to take platforms out of a lock.

    Raises
    ------
    EvenkeelError
        The lock at ``path`` has one that is not among ``platforms``.
    """
    gone = sorted(before.packages.keys() - set(platforms)) if before else []
    if not gone:
        return
    here = _supported(gone)
    keep = (
        f"To keep {_and(here)}, set lock_platforms: [{', '.join(sorted({*platforms, *here}))}], and name each in the"
        " file's platforms, if it has any. "
        if here
        else ""
    )
    raise EvenkeelError(
        f"{path} is for {_and(gone)} too, which this lock would not be for: it is for {_and(platforms)}",
        f"{keep}To drop {_and(gone)}, set lock_drop_platforms: true",
    )


def _supported(platforms: Iterable[str]) -> list[str]:
    return [platform for platform in SUPPORTED if platform in platforms]


def _and(platforms: Iterable[str]) -> str:
    return " and ".join(platforms)
