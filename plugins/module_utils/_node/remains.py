# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Folders of ours that go: what others have put into them stays, and is named."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable
from re import Pattern

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import remove_at_once
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME

_MOST_NAMED = 3
#: What the maker of a file system puts into it.
_OF_FILE_SYSTEM = "lost+found"


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


def named(folder: str, names: Pattern[str]) -> list[str]:
    """Return what is directly in a directory and has one of our names."""
    found = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in found if names.fullmatch(name)]


def take(paths: Iterable[str], doomed: str = "") -> None:
    """Remove files, links and whole directories that are there, in this order.

    Parameters
    ----------
    doomed
        What follows the name of a directory that is being removed, where one of which a part is left would pass for
        whole.
    """
    for path in paths:
        if os.path.isdir(path) and not os.path.islink(path):
            if doomed and not path.endswith(doomed):
                shutil.rmtree(path + doomed, ignore_errors=True)
                remove_at_once(path, path + doomed)
            else:
                shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


def prune(folder: str) -> None:
    """Remove a directory if nothing is in it."""
    with contextlib.suppress(OSError):  # something is
        os.rmdir(folder)


def prune_own(folder: str) -> None:
    """Remove a directory if its path shows that it is ours and nothing is in it."""
    if OUR_NAME in folder:
        prune(folder)


def clear(folder: str) -> None:
    """Remove the empty directories of a folder, and itself if nothing is left in it."""
    for parent, _folders, _files in os.walk(folder, topdown=False):
        if not is_of_file_system(parent):
            prune(parent)


def is_of_file_system(folder: str) -> bool:
    """Whether a directory stays though nothing is in it: a mount point, or what is in every new file system."""
    return os.path.basename(folder) == _OF_FILE_SYSTEM or os.path.ismount(folder)
