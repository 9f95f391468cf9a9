# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A package transaction in which DKMS builds a kernel module.

Where a removal of what comes would not bring back what was there, the module is built on trial before the first
change. Otherwise its package builds it, and is removed again where that fails. Either way the error is the compiler's
first one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms, linux_kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import disk_space, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.converge import Job, Outcome
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager, Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan

#: Names of packages that have a module's source, as Ubuntu, Debian and RHEL write them.
_OF_SOURCE = re.compile(r"(^|-)(dkms|kmod|source)(-|$)")


def converge(
    job: Job,
    source: str,
    kernels: Sequence[Kernel],
    *,
    check_mode: bool,
    without: Collection[str] = (),
    before: Callable[[], None] | None = None,
) -> tuple[Outcome, tuple[str, ...]]:
    """Bring packages to the node; see ``_os_packages.converge``. Return also why no module was built on trial.

    Parameters
    ----------
    source
        The package that has DKMS build the module; empty where the transaction brings none.
    kernels
        The kernels that the node may boot.
    without
        The releases of those for which no module can be built.
    before
        What is done when nothing can be refused any more, and nothing has changed.

    Raises
    ------
    EvenkeelError
        The transaction is not possible or failed, or the module does not build for a kernel.
    """
    if check_mode:
        return package_set.converge(job, check_mode=True), ()
    plans: list[Plan] = []
    untried: list[str] = []
    logs: dict[str, int] = {}

    def try_first(staged: Manager, plan: Plan) -> None:
        plans.append(plan)
        if is_to_try(plan, source, kernels):
            releases = [kernel.release for kernel in kernels if kernel.release not in without]
            untried.extend(_try_module(staged, plan, source, releases))
        if before is not None:
            before()
        logs.update(dkms.logs())

    try:
        return package_set.converge(job, check_mode=False, before=try_first), tuple(untried)
    except EvenkeelError as error:
        failed = dkms.failed_since(logs) if plans and "dkms" not in error.details else None
        if failed is None:
            raise
        manager = package_set.manager_of_node(lock_timeout=job.lock_timeout)
        removed = [name for plan in plans if source for name in to_remove(plan, kernels, manager.known())]
        if removed:
            manager.apply((), removed)
        result = "The packages that had come with it were removed again. " if removed else ""
        raise EvenkeelError(failed.what, result + failed.remedy, **failed.details) from error


def is_to_try(plan: Plan, source: str, kernels: Sequence[Kernel]) -> bool:
    """Return whether a module is built on trial: where one comes, and its removal would not undo that."""
    return any(step.name == source for step in plan.steps if step.after) and not is_undone(plan, kernels)


def is_undone(plan: Plan, kernels: Sequence[Kernel]) -> bool:
    """Return whether a removal of what has come brings back what was there: no older package, nor a kernel's module."""
    return not any(step.before for step in plan.steps) and not any(kernel.module for kernel in kernels)


def with_sources(plan: Plan, source: str) -> tuple[list[Step], list[Step]]:
    """Return the packages of a transaction whose names say that they have a module's source, and all other new ones.

    Debian and RHEL have one such package. Ubuntu has ``dkms.conf`` in one and the source in another, on which the first
    depends.
    """
    coming = [step for step in plan.steps if step.after]
    named = [step for step in coming if step.name == source or _OF_SOURCE.search(step.name)]
    return named, [step for step in coming if step not in named]


def to_remove(plan: Plan, kernels: Sequence[Kernel], known: Collection[str]) -> list[str]:
    """Return the packages that a failed transaction has brought and that are removed again.

    None where that would not undo it.

    Parameters
    ----------
    known
        The packages on the node, even if their installation was not finished.
    """
    if not is_undone(plan, kernels):
        return []
    return [step.name for step in plan.steps if step.name in known]


def _try_module(manager: Manager, plan: Plan, source: str, releases: Sequence[str]) -> list[str]:
    """Build the module of packages that aren't installed; return why that was not possible."""
    named, others = with_sources(plan, source)
    with work_folder.made("driver", work_folder.LARGE) as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # apt downloads as a user of its own
        merged = os.path.join(folder, "merged")
        for step in named:
            _unpack(manager, step, folder, merged)
        while others and not _has_module(merged):
            _unpack(manager, others.pop(0), folder, merged)
        if not _has_module(merged):
            reason = "no package of the transaction has a dkms.conf and the source beside it"
            return ["the module was not built on trial before the packages changed: %s" % reason]
        built = [dkms.try_build(path, releases) for path, _version in dkms.sources(merged) if dkms.is_complete(path)]
        require_room(disk_space.size(merged), sum(built), transaction.room(manager, plan.steps))
    return []


def require_room(sources: int, modules: int, packages: int) -> None:
    """Refuse to begin where the driver has no room; all in bytes.

    Parameters
    ----------
    sources
        What comes to ``/usr/src``, and is copied by DKMS to where it builds.
    modules
        What it builds of that for all kernels.
    packages
        What the package transaction needs.
    """
    needs = {"/usr": packages, "/usr/src": sources, dkms.TREE: sources + 2 * modules, linux_kernels.FOLDER: modules}
    disk_space.require_free(needs, "The driver", "Make room there, then run again; nothing was changed")


def _unpack(manager: Manager, step: Step, folder: str, merged: str) -> None:
    """Put what a package has below ``/usr/src`` into a folder beside what others have there."""
    place = os.path.join(folder, step.name)
    unpacked = os.path.join(place, "unpacked")
    os.mkdir(place)
    os.chmod(place, 0o755)  # noqa: S103
    manager.unpack(manager.download(manager.exact % (step.name, step.after), place), unpacked)
    sources = os.path.join(unpacked, "usr", "src")
    if os.path.isdir(sources):
        shutil.copytree(sources, os.path.join(merged, "usr", "src"), symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(place)


def _has_module(merged: str) -> bool:
    """Return whether a module can be built there; what a package has on the node already counts too."""
    for path, _version in dkms.sources(merged):
        here = os.path.join("/usr/src", os.path.basename(path))
        if not dkms.is_complete(path) and os.path.isdir(here) and dkms.is_complete(here):
            shutil.copytree(here, path, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dkms.conf"))
    return any(dkms.is_complete(path) for path, _version in dkms.sources(merged))
