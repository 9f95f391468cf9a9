# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which updated locks may be written to a branch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.relocking import Relocked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.branch import Branch, Update


def chosen(updates: Iterable[tuple[str, Relocked, Path]], branch: Branch) -> tuple[list[Update], dict[str, str]]:
    """Return the updates that change something and may be written, and why others may not, by the lock's name.

    Parameters
    ----------
    updates
        The name of each lock, what it becomes, and the folder with wheels that were built for that and are gone soon.

    Raises
    ------
    EvenkeelError
        The repository can't be asked.
    """
    found: list[Update] = []
    left: dict[str, str] = {}
    for name, update, built in updates:
        if not update.plan.changed:
            continue
        read = [update.environment.path, *update.environment.included, *filter(Path.exists, update.plan.files)]
        if any(built.iterdir()):
            left[name] = f"Wheels have to be built for it. Run lock.yml with lock_env={name}"
        elif differing := branch.differing(read):
            left[name] = f"{differing[0]} is not as the last commit of the branch's repository has it. Commit it first"
        else:
            found.append(Update(name, update.plan.changed, update.plan.diff))
    return found, left
