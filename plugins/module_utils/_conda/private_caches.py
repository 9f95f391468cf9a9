# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package caches that environments are linked from: only root has to look into them, and only root can.

What is unpacked has the permissions that its package carries until the environment that it is linked into gets those of
shared files, so a user who could enter a cache could write to it for a moment.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes

#: Below the directory of package caches; the one that a group of users shares is none of these.
CACHES = ("bytecode", "conda", "rattler", "uv", "wheels")
#: Those whose packages have their own permissions.
_UNPACKED = ("conda", "rattler")
MODE = 0o700


def open_to_others(pkgs: str) -> tuple[str, ...]:
    """Return the caches that are there and that others may enter; older versions made them so."""
    found = []
    for name in CACHES:
        path = os.path.join(pkgs, name)
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        closed = stat.S_IMODE(status.st_mode) == MODE and status.st_uid in (0, os.geteuid())
        if stat.S_ISDIR(status.st_mode) and not closed:
            found.append(path)
    return tuple(found)


def close(path: str) -> None:
    """Keep others out of a cache, and remove the packages that users could change; they are fetched anew.

    Its permissions are complete last, so that an interruption is healed by the next run.
    """
    modes.take(path)
    # Only root can look into what nobody may enter. The sticky bit sets it apart from a complete cache.
    os.chmod(path, MODE | stat.S_ISVTX if os.geteuid() else 0)
    if os.path.basename(path) in _UNPACKED:
        for package in _packages(path):
            if any(one.exposed for one in modes.loose(package)):
                shutil.rmtree(package)
    os.chmod(path, MODE)


def forget(pkgs: str, inodes: Collection[int]) -> None:
    """Remove packages that share files with a build: who could write to one may still have it open."""
    for name in _UNPACKED if inodes else ():
        for package in _packages(os.path.join(pkgs, name)):
            files = (entry for folder, _folders, _names in os.walk(package) for entry in os.scandir(folder))
            if any(entry.inode() in inodes for entry in files):
                shutil.rmtree(package)


def _packages(cache: str) -> list[str]:
    """Return the paths of what is unpacked in a cache."""
    try:
        with os.scandir(cache) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def make(pkgs: str) -> None:
    """Make the caches that are missing; everybody may enter the directory above them."""
    os.makedirs(pkgs, mode=0o755, exist_ok=True)
    for name in CACHES:
        os.makedirs(os.path.join(pkgs, name), mode=MODE, exist_ok=True)
