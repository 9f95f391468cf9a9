# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""pixi.lock: the default environment of a project of pixi."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import ANEW, check, conda_package, pip_package


def read(path: Path, platform: str) -> tuple[Package, ...]:
    """Return the packages of one platform; the SHA-256 of those that it names by MD5 is empty.

    Raises
    ------
    EvenkeelError
        It is malformed, of an unknown version, for other platforms, without a default environment, or holds a package
        without a fixed content.
    """
    from rattler import LockFile
    from rattler.exceptions import ParseCondaLockError
    from rattler.lock import CondaLockedBinaryPackage, PypiLockedPackage

    read_mapping(path)
    try:
        environment = dict(LockFile.from_path(path).environments()).get("default")
    except ParseCondaLockError as error:
        raise EvenkeelError(f"{path} is not a lock of pixi of a known format: {error}", ANEW) from None
    if environment is None:
        raise EvenkeelError(f"{path} has no default environment", "Lock the default environment")
    platforms = {str(of_lock.subdir): of_lock for of_lock in environment.platforms()}
    if platform not in platforms:
        raise EvenkeelError(
            f"{path} is for {', '.join(sorted(platforms)) or 'no platform'}, not for {platform}",
            f"Add {platform} to the platforms, and lock again",
        )
    packages = []
    for locked in environment.packages(platforms[platform]) or []:
        if isinstance(locked, PypiLockedPackage):
            hashes = locked.hashes and locked.hashes._hashes  # py-rattler wraps their absence too
            sha256 = hashes.sha256.hex() if hashes and hashes.sha256 else None
            packages.append(
                pip_package(path, locked.name, locked.version, locked.location, sha256, locked.requires_dist)
            )
        elif isinstance(locked, CondaLockedBinaryPackage):
            record = locked.repo_data_record()
            md5, sha256 = (value.hex() if value else None for value in (record.md5, record.sha256))
            packages.append(conda_package(path, locked.location, md5, sha256, record.depends, record.size or 0))
        else:
            raise EvenkeelError(f"{path}: {locked.name} has to be built from its source", "Publish it as a package")
    return check(path, packages)
