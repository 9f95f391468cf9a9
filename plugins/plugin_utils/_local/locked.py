# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a lock holds for this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, Package, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import require_built
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.unindexed import by_name
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import on_control_node


@dataclass(frozen=True)
class Locked:
    """The exact packages of one environment on one platform."""

    lock: Path
    platform: str
    packages: tuple[Package, ...]
    #: What activation sets, name to value.
    variables: Mapping[str, str] = field(default_factory=dict)
    #: Virtual packages that the solver assumed of the machines, name to version.
    assumed: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The environment's digest, the same wherever it is."""
        return digest(self.packages, self.variables)


def read(path: Path, platform: str, pip_index: str = "") -> Locked:
    """Return what the lock at ``path`` holds for a platform; wheels that were built for it have whole paths.

    Parameters
    ----------
    pip_index
        The index that the machine uses; empty for what uv is configured to.

    Raises
    ------
    EvenkeelError
        The lock is malformed, of an unknown version, for other platforms only, or names what would have to be built or
        what can't be verified.
    """
    lock = conda_lock.read(path)
    packages = conda_lock.packages_for(lock, platform, path)
    require_built(path, packages)
    unknown = [package.name for package in packages if package.manager == CONDA and not package.sha256]
    if unknown:
        raise EvenkeelError(
            f"{path} names {', '.join(unknown)} by MD5 alone, which proves nothing any more",
            "Lock again with Evenkeel's playbook lock.yml",
        )
    return Locked(
        path,
        platform,
        by_name(on_control_node(packages, path), pip_index),
        dict(lock.variables),
        (lock.virtual_packages or {}).get(platform, {}),
    )
