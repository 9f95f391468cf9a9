# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A repository and a set of its packages, brought to a node in one go.

outcome = converge(Job(repository, files, request, lock_timeout), check_mode=module.check_mode)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Union

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import transaction as packages
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.apt import Apt
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.dnf import Dnf
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, Request, Wanted

#: The options that modules have for it; the documentation fragment ``packages`` describes them.
ARGUMENTS: dict[str, dict[str, object]] = {
    "packages": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "version": {"type": "str", "default": ""}},
    },
    "repository": {"type": "dict", "options": repositories.ARGUMENTS},
    "lock_timeout": {"type": "int", "default": 300},
}
AnyManager = Union[Apt, Dnf]
#: Called when a transaction is known and has not begun, with a manager that sees the repository. It may refuse.
Before = Callable[[AnyManager, Plan], None]


@dataclass(frozen=True)
class Job:
    """What a node is to have.

    Parameters
    ----------
    request
        The packages.
    repository
        Where they come from; None is the repositories that the node has.
    files
        Further files of the package manager, such as preferences of apt, with their texts.
    lock_timeout
        How many seconds to wait for another run of the package manager.
    """

    request: Request
    repository: Repository | None = None
    files: Mapping[str, str | None] = field(default_factory=dict)
    lock_timeout: int = 300


@dataclass(frozen=True)
class Outcome:
    """What changed, or would in check mode."""

    files: tuple[kept_files.Change, ...] = ()
    plan: Plan = field(default_factory=Plan)
    #: Packages that an earlier run left half-done, and keys that were damaged.
    healed: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.files or self.healed or self.plan.changed)

    def diffs(self) -> list[dict[str, str]]:
        """Return it as Ansible shows differences."""
        return [change.diff() for change in self.files] + ([self.plan.diff()] if self.plan.changed else [])


def wanted(option: Iterable[Mapping[str, str]]) -> tuple[Wanted, ...]:
    """Return the packages that a module's option names."""
    return tuple(Wanted(one["name"], one["version"]) for one in option)


def manager_of_node(options: tuple[str, ...] = (), lock_timeout: int = 300) -> AnyManager:
    """Return the node's package manager.

    Raises
    ------
    EvenkeelError
        It has none that is known.
    """
    # A distribution of the Debian family may have rpm, and the other way round; their files tell.
    if os.path.exists("/etc/debian_version"):
        return Apt(options, lock_timeout)
    if os.path.exists("/etc/redhat-release"):
        return Dnf(options, lock_timeout)
    raise EvenkeelError(
        "The node is of neither the Debian nor the Red Hat family", "Use a distribution that the role's README names"
    )


def converge(job: Job, *, check_mode: bool, before: Before | None = None) -> Outcome:
    """Bring the packages to the node; nothing changes where it can't be done.

    Parameters
    ----------
    before
        What has to go well first.

    Raises
    ------
    EvenkeelError
        What failed; see ``_packages.plan`` and ``_repository.trial``.
    """
    manager = manager_of_node(lock_timeout=job.lock_timeout)
    healed = tuple(manager.interrupted())
    if healed and not check_mode:
        manager.heal()
    if _standing(job) and not _missing(manager, job.request):
        plan = packages.plan(manager, job.request)
        if not check_mode:
            packages.apply(manager, plan)
        return Outcome((), plan, healed)
    with repositories.trial(job.repository, job.files) as trial:
        staged = manager_of_node(trial.options, job.lock_timeout)
        # A node fresh from its image may never have asked its own repositories.
        own = [""] if manager.never_asked() else []
        for source in dict.fromkeys([*own, trial.source]):
            staged.refresh(source)
        plan = packages.plan(staged, job.request)
        if not check_mode:
            if before is not None:
                before(staged, plan)
            trial.apply()
            for source in dict.fromkeys([*own, job.repository.path if job.repository else ""]):
                manager.refresh(source)
            packages.apply(manager, plan)
        return Outcome(trial.changes, plan, (*healed, *trial.healed))


def _standing(job: Job) -> bool:
    """Tell whether the node's files are as they should be."""
    if job.repository is not None and repositories.changed(job.repository):
        return False
    return not kept_files.changes(job.files)


def _missing(manager: AnyManager, request: Request) -> bool:
    installed = manager.installed()
    return bool(packages.lacking(request.wanted, installed) or packages.matching(installed, request.absent))
