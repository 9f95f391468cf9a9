# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a lock still answers what its environment.yml asks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import (
    Lock,
    content_hash,
    earlier_hashes,
    packages_for,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import match_spec

with optional():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from rattler import PackageRecord


def require_fresh(environment: EnvironmentFile, lock: Lock, path: Path, platform: str) -> None:
    """Refuse a lock that was made before its environment.yml got its present content.

    Evenkeel's own lock knows what it was asked. Of another program's, the hash of its input counts where it has
    one and the input names no further files; else each package that is asked for must be there in a version that fits.

    Raises
    ------
    EvenkeelError
        It is older, or for other platforms.
    """
    packages = packages_for(lock, platform, path)
    if lock.virtual_packages is not None:
        reason = "" if _is_asked(environment, lock, platform) else "it asks for something else now"
    elif environment.path.name in lock.inputs:
        now = sha256_of(str(environment.path))
        reason = "" if now == lock.inputs[environment.path.name] else "it has another hash now"
        if not reason and environment.included:
            reason = unmet(environment.on(platform), packages)
    else:
        reason = unmet(environment.on(platform), packages)
    if reason:
        raise EvenkeelError(
            f"{path} is older than {environment.path}: {reason}",
            "Lock again (playbook lock.yml, or the program that made the lock), review what changes and commit it",
        )


def _is_asked(environment: EnvironmentFile, lock: Lock, platform: str) -> bool:
    virtual_packages = (lock.virtual_packages or {}).get(platform, {})
    return lock.content_hash.get(platform) in (
        content_hash(environment, platform, virtual_packages),
        *earlier_hashes(environment, platform, virtual_packages),
    )


def unmet(environment: EnvironmentFile, packages: Iterable[Package]) -> str:
    """Return what ``environment`` asks for and ``packages`` do not have; empty when nothing."""
    found = {(package.manager, package.name): package for package in packages}
    for text in environment.packages:
        spec = match_spec(text, Mirrors())
        package = found.get((CONDA, spec.name.normalized))
        if package is None or not spec.matches(_record(package)):
            return _unmet(text, package)
    python = found.get((CONDA, "python"))
    for text in environment.pip:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate(_linux(python)):
            continue
        name = canonicalize_name(requirement.name)
        package = found.get((PIP, name)) or found.get((CONDA, name))
        if package is None or not requirement.specifier.contains(package.version, prereleases=True):
            return _unmet(text, package)
    return ""


def _linux(python: Package | None) -> dict[str, str]:
    """Return what markers of requirements are about, of a node with that Python."""
    system = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "extra": ""}
    if python is None:
        return system
    of_python = {"python_version": ".".join(python.version.split(".")[:2]), "python_full_version": python.version}
    return {**system, **of_python}


def _unmet(text: str, package: Package | None) -> str:
    return f"it asks for {text}, and the lock has {f'{package.name} {package.version}' if package else 'none'}"


def _record(package: Package) -> PackageRecord:
    from rattler import BuildString, PackageRecord

    number = re.search(r"\d+$", package.build)
    return PackageRecord(
        name=package.name,
        version=package.version,
        build=BuildString(package.build),
        build_number=int(number.group()) if number else 0,
        subdir=package.url.rsplit("/", 2)[-2],
    )
