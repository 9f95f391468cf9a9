# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""NVIDIA's CUDA repository on a node, from which driver and toolkits come: it goes with the last of them."""

from __future__ import annotations

import os

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cuda_toolkits, driver_request, runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository, repository_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository_removal import Removal

#: The names of the repositories' files, which the control node gives them; the second has DKMS.
NAME, EPEL = "evenkeel-nvidia-cuda", "evenkeel-epel"
#: Where repositories are of a package manager that has no preferences.
_OF_DNF = "/etc/yum.repos.d"
_OF_TOOLKITS = (cuda_toolkits.PROFILE, cuda_toolkits.FISH, cuda_toolkits.LOADER)


def without_toolkits() -> tuple[Removal, tuple[str, ...]]:
    """Return what goes of repositories where toolkits go, and what stays, with the reason."""
    return _removal("the driver" if has_driver() else "")


def without_driver() -> tuple[Removal, tuple[str, ...]]:
    """Return what goes of repositories where the driver goes, and what stays, with the reason."""
    return _removal("the CUDA toolkits" if has_toolkits() else "", EPEL)


def _removal(user: str, *others: str) -> tuple[Removal, tuple[str, ...]]:
    stays = bool(user and repository.removal(NAME))
    left = ("the repository %s: it goes with %s, for which it is there too" % (NAME, user),) if stays else ()
    return repository_removal.plan(*others, *([] if stays else [NAME])), left


def has_driver() -> bool:
    """Return whether the node has a driver of Evenkeel's that comes from a repository, by the settings that show it."""
    preferences = kept_files.text(driver_request.PREFERENCES)
    if preferences is not None:
        return driver_request.keeps_distribution_out(preferences)
    by_installer = any(thing.name == runfile.UNINSTALLER for thing in made.read("nvidia_driver"))
    return os.path.isdir(_OF_DNF) and os.path.exists(driver_request.MODPROBE) and not by_installer


def has_toolkits() -> bool:
    """Return whether the node has toolkits of Evenkeel's, by their settings or their record."""
    recorded = any(thing.kind == "package" for thing in made.read(cuda_toolkits.BY))
    return recorded or any(map(os.path.exists, _OF_TOOLKITS))
