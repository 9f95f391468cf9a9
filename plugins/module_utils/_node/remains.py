# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Folders of ours that go: what others have put into them stays, and is named."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection

_MOST_NAMED = 3


def left(folder: str, ours: Collection[str] = ()) -> list[str]:
    """Return a line that names what a folder has beside our files; none where it has nothing else."""
    found = []
    for parent, folders, files in os.walk(folder):
        paths = [os.path.join(parent, name) for name in (*folders, *files)]
        found += [path for path in paths if path not in ours and (os.path.islink(path) or not os.path.isdir(path))]
    found.sort()
    if not found:
        return []
    more = " and %d more" % (len(found) - _MOST_NAMED) if len(found) > _MOST_NAMED else ""
    return ["%s%s: not made by Evenkeel" % (", ".join(found[:_MOST_NAMED]), more)]


def prune(folder: str) -> None:
    """Remove a directory if nothing is in it."""
    with contextlib.suppress(OSError):  # something is
        os.rmdir(folder)


def clear(folder: str) -> None:
    """Remove the empty directories of a folder, and itself if nothing is left in it."""
    for parent, _folders, _files in os.walk(folder, topdown=False):
        prune(parent)
