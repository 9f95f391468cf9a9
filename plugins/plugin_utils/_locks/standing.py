# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether each environment file has the lock that answers it, found out without a solve and without the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, environment_file, explicit_file
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.freshness import require_fresh
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import (
    all_below,
    explicit_beside,
    lock_beside,
    lock_env,
    require_own_lock,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.platforms import chosen

FRESH, STALE, MISSING, UNKNOWN = "fresh", "stale", "missing", "unknown"


@dataclass(frozen=True)
class Standing:
    """How the lock of an environment stands to it."""

    environment: Path
    lock: Path
    state: str
    #: What is wrong, one sentence each.
    why: tuple[str, ...] = ()


def files(paths: Iterable[Path]) -> list[Path]:
    """Return the environment files that paths name: themselves, or those in a folder and in its folders.

    Raises
    ------
    EvenkeelError
        A path is missing, or a folder has none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        below = all_below(path) if path.is_dir() else [path]
        if not below:
            raise EvenkeelError(f"There is no environment file in {path} or its folders", "Name a folder that has one")
        found.update(dict.fromkeys(below))
    return list(found)


def of(environment: Path) -> Standing:
    """Return how the lock of an environment file stands to it. What is wrong with either is said in it."""
    lock = lock_beside(environment)
    try:
        asked = environment_file.read(environment)
        require_own_lock(environment)
        if not lock.exists():
            remedy = f"Lock it (playbook lock.yml with lock_env={lock_env(environment)}), and commit what it writes"
            return Standing(environment, lock, MISSING, (str(EvenkeelError(f"{environment} has no lock", remedy)),))
        found = conda_lock.read(lock)
    except EvenkeelError as error:
        return Standing(environment, lock, UNKNOWN, (str(error),))
    why = tuple(dict.fromkeys(_wrong(asked, found, lock)))
    return Standing(environment, lock, STALE if why else FRESH, why)


def _wrong(environment: EnvironmentFile, lock: Lock, path: Path) -> Iterator[str]:
    for platform in sorted({*lock.packages, *chosen(None, environment, lock)}):
        try:
            require_fresh(environment, lock, path, platform)
        except EvenkeelError as error:
            yield str(error)
    if lock.virtual_packages is None:  # another program made it, and writes no such file
        return
    for platform, packages in sorted(lock.packages.items()):
        beside = explicit_beside(path, platform)
        if not beside.exists() or read_text(beside) != explicit_file.render(platform, packages):
            remedy = f"Lock again with lock_env={lock_env(environment.path)}, and commit all that it writes"
            yield str(EvenkeelError(f"{beside} is not the one of {path}", remedy))
