# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Distributions and environments of conda that others have made: in the system's folders, and in homes.

Homes are read with their users' rights and within limits of time. What is on a file server is found there, too, but not
measured: that would read the metadata of every file over the network.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts, as_user, user_files

#: Folders of the system's in which distributions are put by hand.
SYSTEM = ("/opt", "/usr/local", "/srv", "/root", "/opt/tljh")
#: What installers call a distribution in a home, unless their user chooses.
_NAMES = re.compile(r"conda|forge|mamba", re.IGNORECASE)
_LISTED = ".conda/environments.txt"
_MOST_LISTED, _MOST_PLACES = 1 << 20, 200
_MOST_BYTES = 1 << 20
#: File systems of this machine's own disks. Others may be a server's.
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "f2fs", "bcachefs", "ramfs"})

Place = dict[str, Any]
Look = dict[str, list[Any]]


def find(
    own: Sequence[str], seconds: float, total_seconds: float, *, measure: bool = True
) -> tuple[list[Place], list[str]]:
    """Return the places, and what could not be looked at.

    Parameters
    ----------
    own
        Directories of Evenkeel's own.
    seconds, total_seconds
        How long one home, or one folder of the system's, may take, and all of them together.
    measure
        Whether to count the bytes of what is on a disk of this machine.

    Returns
    -------
    tuple
        Of each place its ``path``, ``kind`` (``distribution`` or ``environment``), ``owner``, ``packages``, ``bytes``
        and ``measured``: whether these are all. Where there are no bytes, they were not counted.
    """
    is_on_disk = is_local(mounted(_text("/proc/self/mountinfo")) if measure else [])
    # Half of the time is for measuring, so that what was found is reported in any case.
    users = [accounts.account(name) for name in accounts.local_users()]
    jobs: list[as_user.Job] = [
        (user, functools.partial(look_at_home, user.pw_dir, is_on_disk, seconds / 2)) for user in users if user.pw_uid
    ]
    if os.geteuid() == 0:
        root = accounts.account("root")
        jobs += [(root, functools.partial(look_at_system, top, is_on_disk, seconds / 2)) for top in SYSTEM]
    answers = as_user.call_each(jobs, seconds=seconds, total_seconds=total_seconds, most_bytes=_MOST_BYTES)
    unread = [str(answer) for answer in answers if isinstance(answer, as_user.Failed)]
    given = [answer for answer in answers if not isinstance(answer, as_user.Failed)]
    unread += [reason for answer in given for reason in answer["refused"]]
    ours = [name for path in own for name in (path, os.path.realpath(path))]
    found = {one["path"]: one for answer in given for one in answer["places"]}
    others = [path for path in sorted(found) if not any(_is_below(path, name) for name in ours)]
    return [found[path] for path in others], unread


def look_at_system(top: str, is_on_disk: Callable[[str], bool], seconds: float) -> Look:
    """Return the places in a folder of the system's."""
    deadline = time.monotonic() + seconds
    return look([os.path.join(top, name) for name in user_files.names(top)], is_on_disk, deadline)


def look_at_home(home: str, is_on_disk: Callable[[str], bool], seconds: float) -> Look:
    """Return the places in a home; to be called with its user's rights."""
    deadline = time.monotonic() + seconds
    names = [name for name in user_files.names(home) if _NAMES.search(name)]
    candidates = [os.path.join(home, name) for name in names]
    candidates += [os.path.join(home, ".local/share/mamba"), os.path.join(home, ".conda")]
    try:
        listed = user_files.read(os.path.join(home, _LISTED), os.geteuid(), _MOST_LISTED)
    except user_files.Refused as error:
        # Who has run conda with sudo may have a folder of root's there.
        found = look(candidates, is_on_disk, deadline)
        return {**found, "refused": [str(error), *found["refused"]]}
    lines = [line.strip() for line in listed.text.splitlines()] if listed else []
    candidates += [line for line in lines if _is_below(line, home) and line != home]
    return look(candidates, is_on_disk, deadline)


def look(candidates: Iterable[str], is_on_disk: Callable[[str], bool], deadline: float) -> Look:
    """Return the distributions among some folders, and the environments that they are or have.

    Returns
    -------
    dict
        ``places``, and ``refused``, why a folder could not be read.
    """
    paths: list[str] = []
    refused: list[str] = []
    for top in candidates:
        environments = os.path.join(top, "envs")
        try:
            names = user_files.names(environments)
        except user_files.Refused as error:
            refused.append(str(error))
            names = []
        below = [os.path.join(environments, name) for name in names]
        paths += [path for path in (top, *below) if _is_environment(path)]
    places = [_place(path, is_on_disk(path), deadline) for path in list(dict.fromkeys(paths))[:_MOST_PLACES]]
    return {"places": places, "refused": list(dict.fromkeys(refused))}


def _is_environment(path: str) -> bool:
    return not os.path.islink(path) and os.path.isfile(os.path.join(path, "conda-meta", "history"))


def _place(path: str, on_disk: bool, deadline: float) -> Place:
    is_base = os.path.exists(os.path.join(path, "condabin")) or os.path.exists(os.path.join(path, "bin", "conda"))
    size, measured = size_below(path, deadline) if on_disk else (0, False)
    records = []
    with contextlib.suppress(OSError):
        records = [name for name in os.listdir(os.path.join(path, "conda-meta")) if name.endswith(".json")]
    return {
        "path": path,
        "kind": "distribution" if is_base else "environment",
        "owner": _owner(path),
        "packages": len(records),
        "bytes": size,
        "measured": measured,
    }


def size_below(path: str, deadline: float) -> tuple[int, bool]:
    """Return how much of the disk is used below a folder of one file system, and whether that is all of it.

    Files that several names have count once. What environments of a distribution use is part of it.
    """
    total, seen, folders = 0, set(), [path]
    device = os.lstat(path).st_dev
    while folders:
        if time.monotonic() > deadline:
            return total, False
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev != device or (status.st_dev, status.st_ino) in seen:
                        continue
                    if status.st_nlink > 1:
                        seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue  # it went away meanwhile, or belongs to another user
    return total, True


def mounted(table: str) -> list[tuple[str, str]]:
    """Return the mount points of ``/proc/self/mountinfo`` and their file systems, the longest first."""
    rows = [
        (line.split(" - ")[0].split(), line.split(" - ")[1].split()) for line in table.splitlines() if " - " in line
    ]
    found = [(before[4].replace("\\040", " "), after[0]) for before, after in rows]
    # Of two at one place, the later one is seen.
    order = sorted(range(len(found)), key=lambda number: (-len(found[number][0]), -number))
    return [found[number] for number in order]


def is_local(filesystems: Sequence[tuple[str, str]]) -> Callable[[str], bool]:
    """Return a function that says whether a path is on a disk of this machine; it asks no file system."""
    return lambda path: next((kind in _LOCAL for point, kind in filesystems if _is_below(path, point)), False)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _owner(path: str) -> str:
    uid = os.lstat(path).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
