# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether the file systems below folders can be written to, and have room; a folder may not be there yet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import processes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_MOUNTS = "/proc/self/mountinfo"


def require_writable(folders: Iterable[str]) -> None:
    """Refuse folders below a mount that is read-only.

    Raises
    ------
    EvenkeelError
        There is one; the message names it and the mount.
    """
    for folder in folders:
        place = _existing(folder)
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            point = mount_point(place)
            raise EvenkeelError(
                "%s cannot be written to: %s is mounted read-only" % (folder, point),
                "Nothing was changed. Make it writable, as by `mount -o remount,rw %s`, then run again" % point,
            )


def require_free(needs: Mapping[str, int], what: str, remedy: str) -> None:
    """Refuse to begin where a file system has no room for what comes to it.

    Parameters
    ----------
    needs
        How many bytes come to each folder; those on one file system are added up.
    what
        What needs them, as the beginning of a sentence.

    Raises
    ------
    EvenkeelError
        There is not enough free space.
    """
    together: dict[int, list[str]] = {}
    for folder in filter(needs.get, needs):
        together.setdefault(os.stat(_existing(folder)).st_dev, []).append(folder)
    for folders in together.values():
        needed = sum(needs[folder] for folder in folders)
        free = shutil.disk_usage(_existing(folders[0])).free
        if needed > free:
            numbers = (what, mib(needed), " and ".join(folders), free >> 20)
            raise EvenkeelError("%s needs %d MiB in %s, and %d MiB are free" % numbers, remedy)


def size(folder: str) -> int:
    """Return how many bytes the files below a folder have; links are not followed."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size for place, _unused, names in os.walk(folder) for name in names
    )


def mount_point(path: str) -> str:
    """Return where the file system that has a path is mounted."""
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as stream:
        points = [mount.point for mount in processes.parse_mounts(stream.read())]
    return max((one for one in points if path == one or path.startswith(one.rstrip("/") + "/")), key=len, default="/")


def _existing(folder: str) -> str:
    """Return a folder with all links followed, or the next one above that is there."""
    place = os.path.realpath(folder)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return place


def mib(size: int) -> int:
    """Return bytes in MiB, rounded up."""
    return -(-size >> 20)
