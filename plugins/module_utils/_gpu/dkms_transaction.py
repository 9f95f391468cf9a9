# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A package transaction in which DKMS builds a kernel module.

On a node that has a module, the new one is built on trial before the first change. On a node that has none, the package
builds it, and is removed again where that fails. Either way the error is the compiler's first one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import dkms
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.converge import Job, Outcome
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, matching


def converge(job: Job, source: str, kernels: Sequence[Kernel], *, check_mode: bool) -> Outcome:
    """Bring packages to the node; see ``_os_packages.converge``.

    Parameters
    ----------
    source
        The package with the module's source; empty where the transaction brings none.
    kernels
        The kernels that the node may boot.

    Raises
    ------
    EvenkeelError
        The transaction is not possible or failed, or the module does not build for a kernel.
    """
    if check_mode:
        return package_set.converge(job, check_mode=True)
    plans: list[Plan] = []

    def before(staged: Manager, plan: Plan) -> None:
        plans.append(plan)
        for spec in to_try(plan, source, kernels, staged.exact):
            _try_module(staged, spec, [kernel.release for kernel in kernels])

    logs = dkms.logs()
    try:
        return package_set.converge(job, check_mode=False, before=before)
    except EvenkeelError as error:
        failed = dkms.failed_since(logs)
        if failed is None or "dkms" in error.details:
            raise
        manager = package_set.manager_of_node(lock_timeout=job.lock_timeout)
        removed = [name for plan in plans if source for name in to_remove(plan, kernels, manager.known())]
        if removed:
            manager.apply((), removed)
        result = "The packages that had come with it were removed again. " if removed else ""
        raise EvenkeelError(failed.what, result + failed.remedy, **failed.details) from error


def to_try(plan: Plan, source: str, kernels: Sequence[Kernel], exact: str) -> list[str]:
    """Return the packages whose module is built on trial: none where no kernel has a module that could be lost.

    Parameters
    ----------
    exact
        The package manager's form of a package and its version.
    """
    if not source or not any(kernel.module for kernel in kernels):
        return []
    return [exact % (step.name, step.after) for step in plan.steps if step.after and matching([step.name], [source])]


def to_remove(plan: Plan, kernels: Sequence[Kernel], known: Collection[str]) -> list[str]:
    """Return the packages that a failed transaction has brought and that are removed again.

    None where a package was upgraded, which a removal would not undo, or where a kernel has a module already.

    Parameters
    ----------
    known
        The packages on the node, even if their installation was not finished.
    """
    upgraded = any(step.before and step.after for step in plan.steps)
    if upgraded or any(kernel.module for kernel in kernels):
        return []
    return [step.name for step in plan.steps if step.after and step.name in known]


def _try_module(manager: Manager, spec: str, releases: Sequence[str]) -> None:
    """Build the module of a package that isn't installed."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-driver-", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # apt downloads as a user of its own
        unpacked = os.path.join(folder, "unpacked")
        manager.unpack(manager.download(spec, folder), unpacked)
        for source, _version in dkms.sources(unpacked):
            dkms.try_build(source, releases)
