# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A repository and a set of its packages, brought to a node in one go.

outcome = converge(Job(by, request, repository, files, lock_timeout), check_mode=check_mode)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, made, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import (
    foreign_sources,
    repository,
    transaction,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.apt import Apt
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.dnf import Dnf
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.foreign_sources import Foreign
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager, Refused
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
    "repository": {"type": "dict", "options": repository.ARGUMENTS},
    "lock_timeout": {"type": "int", "default": 300},
}
#: Of a rehearsal, in seconds: the metadata of all repositories of a distribution may have to be fetched.
_LONGEST_QUESTION = 300
#: Called when a transaction is known and has not begun, with a manager that sees the repository. It may refuse.
Before = Callable[[Manager, Plan], None]


@dataclass(frozen=True)
class Job:
    """What a node is to have.

    Parameters
    ----------
    by
        The module that wants it, which records what it installs and holds.
    request
        The packages.
    repository
        Where they come from; None is the repositories that the node has.
    files
        Further files of the package manager, such as preferences of apt, with their texts.
    lock_timeout
        How many seconds to wait for another run of the package manager.
    coming
        A repository that a later job brings. Entries of others that name it go already, beside which apt may read none.
    """

    by: str
    request: Request
    repository: Repository | None = None
    files: Mapping[str, str | None] = field(default_factory=dict)
    lock_timeout: int = 300
    coming: Repository | None = None


@dataclass(frozen=True)
class Outcome:
    """What changed, or would in check mode."""

    files: tuple[kept_files.Change, ...] = ()
    plan: Plan = field(default_factory=Plan)
    #: Packages that an earlier run left half-done, damaged keys, and files of others that named a repository of ours.
    healed: tuple[str, ...] = ()
    #: Of check mode, why it is not known what would change.
    unknown: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.files or self.healed or self.plan.changed or self.unknown)

    def diffs(self) -> list[dict[str, str]]:
        """Return it as Ansible shows differences."""
        return [change.diff() for change in self.files] + ([self.plan.diff()] if self.plan.changed else [])


def wanted(option: Iterable[Mapping[str, str]]) -> tuple[Wanted, ...]:
    """Return the packages that a module's option names."""
    return tuple(Wanted(one["name"], one["version"]) for one in option)


def repairs(healed: Iterable[str], *, check_mode: bool) -> list[str]:
    """Return warnings of what was repaired, or has to be."""
    return ["%s: %s" % ("to repair" if check_mode else "repaired", one) for one in healed]


def manager_of_node(settings: tuple[str, ...] = (), lock_timeout: int = 300, limit: int | None = None) -> Manager:
    """Return the node's package manager.

    Parameters
    ----------
    settings
        Settings of it, each as ``NAME=VALUE``, that differ from the node's own; see ``repository.trial``.
    limit
        How many seconds a question to repositories may take; None is no limit.

    Raises
    ------
    EvenkeelError
        The node is of neither family.
    """
    # A distribution of the Debian family may have rpm, and the other way round; their files decide.
    if os.path.exists("/etc/debian_version"):
        return Apt(settings, lock_timeout, limit)
    if os.path.exists("/etc/redhat-release"):
        return Dnf(settings, lock_timeout, limit)
    raise EvenkeelError(
        "The node is of neither the Debian nor the Red Hat family", "Use a distribution that the role's README names"
    )


def converge(job: Job, *, check_mode: bool, before: Before | None = None) -> Outcome:
    """Bring the packages to the node; nothing changes where that is not possible.

    Parameters
    ----------
    check_mode
        Whether to rehearse it only: what the run would ask is asked of the same repositories, and nothing that is
        written stays on the node.
    before
        What has to succeed before the first change.

    Raises
    ------
    EvenkeelError
        What failed; see ``transaction.plan`` and ``repository.trial``.
    """
    manager = manager_of_node(lock_timeout=job.lock_timeout)
    healed, unfinished = heal(job, manager, check_mode=check_mode)
    if not unfinished and _is_there(job, manager):
        plan = _change_holds(job, manager, check_mode=check_mode)
        return Outcome((), plan, healed)
    with repository.trial(job.repository, job.files, coming=job.coming, rehearsal=check_mode) as trial:
        healed = (*healed, *trial.healed)
        staged = manager_of_node(trial.settings, job.lock_timeout, _LONGEST_QUESTION if check_mode else None)
        if check_mode:
            plan, unknown = _rehearse(job, staged, trial.source)
            return Outcome(trial.files, plan, healed, unknown)
        manager.wait()
        plan = _plan(job, staged, trial.source)
        if before is not None:
            before(staged, plan)
        work_folder.remove_abandoned()
        _record(job, plan, manager.known())
        _record_foreign(job, trial.foreign)
        trial.apply()
        manager.wait()
        _fetch_lists(manager, job.repository.path if job.repository else "")
        transaction.apply(manager, plan)
        return Outcome(trial.files, plan, healed)


def _rehearse(job: Job, staged: Manager, source: str) -> tuple[Plan, tuple[str, ...]]:
    """Return what the run would do, and why that is not known; the run waits for others, a rehearsal does not."""
    try:
        return _plan(job, staged, source), ()
    except command.TimedOut as error:
        return Plan(), ("which packages would change: %s" % error.what,)
    except Refused as error:
        unsettled = staged.busy() or ", ".join("%s is half-installed" % name for name in staged.interrupted())
        if not unsettled:
            raise
        return Plan(), ("which packages would change, because %s; as the node is now: %s" % (unsettled, error.what),)


def heal(job: Job, manager: Manager, *, check_mode: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Finish what a killed or failed run left unfinished; what can't be finished and may go is removed.

    Returns
    -------
        What was unfinished, with the sources that were in the way; and what only the request itself can finish.

    Raises
    ------
    EvenkeelError
        Others than the request's own packages can't be finished, or would go.
    """
    found = manager.interrupted()
    if not found:
        return (), ()
    _judge_repairs(job, manager)
    if check_mode:
        return tuple(found), ()
    foreign = repository.foreign(job.repository, job.coming)
    _record_foreign(job, foreign)
    foreign_sources.take_over(foreign)
    try:
        manager.heal()
    except EvenkeelError:
        left = _remove_unfinished(job, manager)
        if set(left) - set(transaction.matching(left, job.request.unfinished)):
            raise
        if not left:
            manager.heal()
    else:
        left = []
    return (*map(str, foreign), *found), tuple(left)


def _judge_repairs(job: Job, manager: Manager) -> None:
    """Refuse to finish packages where that would remove others than the request's own and ours."""
    gone = [step.name for step in manager.repairs() if not step.after]
    if not gone:
        return
    own = {thing.name for thing in made.read(job.by) if thing.kind == "package"}
    own.update(transaction.matching(gone, (*job.request.absent, *job.request.may_go), manager.sources()))
    others = sorted(set(gone) - own)
    if others:
        raise EvenkeelError(
            "Packages of the node are half-installed, and finishing them would remove %s" % ", ".join(others),
            "Give the node a repository with what they depend on, or remove them, then run again",
        )


def _remove_unfinished(job: Job, manager: Manager) -> list[str]:
    """Remove what can't be finished, with what depends on it, where all of that may go; return what is left."""
    patterns, sources = (*job.request.absent, *job.request.may_go), manager.sources()
    own = transaction.matching(manager.interrupted(), patterns, sources)
    going = [step.name for step in manager.simulate((), own)] if own else []
    if going and len(transaction.matching(going, patterns, sources)) == len(going):
        made.note(job.by, [], [Thing("package", name) for name in going])
        manager.apply((), own)
    return manager.interrupted()


def _is_there(job: Job, manager: Manager) -> bool:
    """Return whether files and packages are as wanted already; asks no network."""
    if repository.changed(job.repository, job.coming):
        return False
    if kept_files.changes(job.files):
        return False
    return transaction.is_there(manager, job.request)


def _change_holds(job: Job, manager: Manager, *, check_mode: bool) -> Plan:
    """Hold and release what is installed already."""
    plan = transaction.plan(manager, job.request)
    if not check_mode:
        _record(job, plan, manager.known())
        transaction.apply(manager, plan)
    return plan


def _record(job: Job, plan: Plan, known: Collection[str]) -> None:
    """Record which packages come to the node and are held, and which are there or held no more.

    Parameters
    ----------
    known
        The packages that are there; one of another architecture may come beside one of them, by the same name.
    """
    coming = [step.name for step in plan.steps if step.after and not step.before]
    installed = [Thing("package", name) for name in coming if name not in known]
    removed = [Thing("package", step.name) for step in plan.steps if step.before and not step.after]
    held, released = ([Thing("hold", name) for name in names] for names in (plan.hold, plan.release))
    made.note(job.by, [*installed, *held], [*removed, *released])


def _record_foreign(job: Job, foreign: Iterable[Foreign]) -> None:
    """Record what becomes of the files of others, so that it can be undone."""
    made.note(job.by, [thing for one in foreign for thing in one.things()])


def _fetch_lists(manager: Manager, source: str) -> str:
    """Fetch the lists of a file of repositories, or of all; all too on a node that has none, fresh from its image.

    Returns why those of some repositories could not be fetched.
    """
    asked = dict.fromkeys(["", source] if manager.never_asked() else [source])
    return "; ".join(filter(None, [manager.refresh(one) for one in asked]))


def _plan(job: Job, manager: Manager, source: str) -> Plan:
    """Plan the request by fresh lists; where that fails, repositories that are missing may be why."""
    unfetched = _fetch_lists(manager, source)
    try:
        return transaction.plan(manager, job.request)
    except EvenkeelError as error:
        if enable := manager.lacks_distribution(source):
            what = "%s. No repository of the distribution is enabled on the node" % error.what
            raise type(error)(what, enable) from error
        if not unfetched:
            raise
        what = "%s. Not all lists of packages could be fetched: %s" % (error.what, unfetched)
        raise type(error)(what, "Fix these repositories of the node, or remove those that it does not need") from error
