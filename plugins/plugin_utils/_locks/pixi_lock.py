# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""pixi.lock: an environment of a project of pixi."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import ANEW, check, conda_package, pip_package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.mistakes import Mistakes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.unindexed import at_their_urls

if TYPE_CHECKING:
    from rattler.lock import Environment, LockedPackage

#: The environment of a project that names none.
DEFAULT = "default"
#: Where a project has its own package.
_PROJECT = (".", "./")
#: What py-rattler calls the version of a package that has none in the lock.
_NO_VERSION = "<dynamic>"


def read(path: Path, platform: str, environment: str = DEFAULT) -> tuple[Package, ...]:
    """Return the packages of one environment and platform; the SHA-256 of those that it names by MD5 is empty.

    The project's own package is left out, with a warning: people work on it in a clone of the project.

    Raises
    ------
    EvenkeelError
        It is malformed, of an unknown version, without such an environment, for other platforms, or holds packages
        without a fixed content.
    """
    found = _environment(path, environment)
    platforms = {str(of_lock.subdir): of_lock for of_lock in found.platforms()}
    if platform not in platforms:
        raise EvenkeelError(
            f"{path} is for {', '.join(sorted(platforms)) or 'no platform'}, not for {platform}",
            f"Add {platform} to the platforms, and lock again",
        )
    packages: list[Package] = []
    mistakes = Mistakes(path)
    for locked in found.packages(platforms[platform]) or []:
        if locked.location in _PROJECT:
            warn(
                f"{path}: the project's own package, {locked.name}, is left out of the environment, because nodes "
                "build nothing. To have it on nodes, publish it as a package, and lock again."
            )
            continue
        with mistakes.collected():
            packages.append(_package(path, locked, platform))
    mistakes.require_none()
    return at_their_urls(check(path, packages))


def _environment(path: Path, name: str) -> Environment:
    from rattler import LockFile
    from rattler.exceptions import ParseCondaLockError

    read_mapping(path)
    try:
        known = dict(LockFile.from_path(path).environments())
    except ParseCondaLockError as error:
        raise EvenkeelError(f"{path} is not a lock of pixi of a known format: {error}", ANEW) from None
    if name not in known:
        raise EvenkeelError(
            f"{path} has no environment {name}", f"Set pixi_environment to one that it has: {', '.join(sorted(known))}"
        )
    return known[name]


def _package(path: Path, locked: LockedPackage, platform: str) -> Package:
    from rattler.lock import CondaLockedBinaryPackage, PypiLockedPackage

    if isinstance(locked, PypiLockedPackage):
        hashes = locked.hashes and locked.hashes._hashes  # py-rattler wraps their absence too
        sha256 = hashes.sha256.hex() if hashes and hashes.sha256 else None
        version = "" if locked.version == _NO_VERSION else locked.version
        return pip_package(path, locked.name, version, _commit(locked.location), sha256, locked.requires_dist)
    if isinstance(locked, CondaLockedBinaryPackage):
        record = locked.repo_data_record()
        md5, hash_ = (value.hex() if value else None for value in (record.md5, record.sha256))
        return conda_package(path, locked.location, md5, hash_, platform, record.depends, record.size or 0)
    raise EvenkeelError(
        f"{path}: {locked.name} has to be built from its source, {locked.location}",
        "Publish it as a package, and lock again",
    )


def _commit(location: str) -> str:
    """Return pixi's spelling of a commit, ``git+URL?rev=main#COMMIT``, as pip's; other places as they are."""
    parts = urlsplit(location)
    if not parts.scheme.startswith("git+") or not re.fullmatch("[0-9a-f]{40}", parts.fragment):
        return location
    folder = "".join(f"subdirectory={name}" for name in parse_qs(parts.query).get("subdirectory", ()))
    return urlunsplit(parts._replace(path=f"{parts.path}@{parts.fragment}", query="", fragment=folder))
