# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The space on the file systems to which things would go."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

_MIB = 1 << 20


def read(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return for each path its file system: ``path``, ``mount``, ``free_mib``, ``free_inodes`` and ``read_only``.

    A path that is not there yet is asked of the directory in which it would be made. ``free_inodes`` is None where the
    file system makes them as they are needed.
    """
    return [_disk(path) for path in dict.fromkeys(paths)]


def _disk(path: str) -> dict[str, Any]:
    standing = _standing(path)
    found = os.statvfs(standing)
    return {
        "path": path,
        "mount": _mount(standing),
        "free_mib": found.f_bavail * found.f_frsize // _MIB,
        "free_inodes": found.f_favail if found.f_files else None,
        "read_only": bool(found.f_flag & os.ST_RDONLY),
    }


def _standing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _mount(path: str) -> str:
    """Return where the file system of a path is mounted."""
    path = os.path.realpath(path)
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path
