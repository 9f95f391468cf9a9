# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which versions the node's repositories have of packages; nothing that is fetched for it stays on the node."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository

_LONGEST_QUESTION = 300


def versions(names: Iterable[str], *, fresh: bool, coming: Repository | None = None) -> dict[str, list[str]]:
    """Return the versions of packages, newest first, by name.

    Parameters
    ----------
    fresh
        Whether the repositories are asked anew, beside where the node has no lists of packages at all.
    coming
        A repository that is brought later, and that others may not name already.

    Raises
    ------
    EvenkeelError
        No repository answers.
    """
    with repositories.trial(None, {}, coming=coming, rehearsal=True) as trial:
        manager = converge.manager_of_node(trial.settings, limit=_LONGEST_QUESTION)
        if fresh or manager.never_asked():
            manager.refresh("")
        return {name: manager.versions(name) for name in dict.fromkeys(names)}
