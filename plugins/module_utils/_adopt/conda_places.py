# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Distributions and environments of conda that others have made: in the system's folders, and in homes.

What belongs to a user is read with that user's rights, and everything within limits of time. What is on a file server
is found, too, but not measured: that would read the metadata of every file over the network.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pwd
import re
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_settings, mounts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts, as_user, user_files

#: Folders of the system's in which distributions are put by hand.
SYSTEM = ("/opt", "/usr/local", "/srv", "/root", "/opt/tljh")
#: What installers call a distribution in a home, unless their user chooses.
_NAMES = re.compile(r"conda|forge|mamba", re.IGNORECASE)
_LISTED = ".conda/environments.txt"
_MOST_LISTED, _MOST_PLACES, _MOST_PACKAGES = 1 << 20, 200, 20_000
_MOST_BYTES = 1 << 20
_PYTHON = re.compile(r"python-(\d+\.\d+)\.[^-]+-[^-]+\.json")
#: How much of a hash stands for the packages of an environment.
_DIGITS = 8

Place = dict[str, Any]
Look = dict[str, list[Any]]
Candidate = tuple[str, int, int, bool]


@dataclass(frozen=True)
class Search:
    """What a look at a folder needs to know."""

    mounted: mounts.Mounts
    #: Evenkeel's own directories, in which nothing is looked at.
    own: tuple[str, ...] = ()
    #: How many seconds may go into measuring.
    patience: float = 0.0

    def passes_over(self, path: str) -> bool:
        return any(_is_below(path, name) for name in self.own)


def find(own: Sequence[str], seconds: float, total_seconds: float, *, measure: bool = True) -> Look:
    """Return what there is, and what could not be looked at.

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
    dict
        ``places``: of each its ``path``, ``kind`` (``distribution`` or ``environment``), ``owner``, ``packages``, their
        ``fingerprint``, ``bytes`` and ``measured``: whether these are all. Where there are no bytes, they were not
        counted.

        ``settings``: as ``conda_settings.read`` returns them. ``unread``: why something could not be looked at.
    """
    end = time.monotonic() + total_seconds
    # Half of the time is for measuring, so that what was found is reported in any case.
    ours = tuple(os.path.realpath(path) for path in own)
    search = Search(mounts.of_this_node(), ours, seconds / 2 if measure else 0.0)
    users = [accounts.account(name) for name in accounts.local_users()]
    jobs: list[as_user.Job] = [
        (user, functools.partial(look_at_home, user.pw_dir, search)) for user in users if user.pw_uid
    ]
    unread: list[str] = []
    if os.geteuid() == 0:
        root = accounts.account("root")
        jobs.append((root, functools.partial(_settings_alone, root.pw_dir)))
        homes = {user.pw_dir for user in users if user.pw_uid}
        listing: list[as_user.Job] = [
            (_at(root, top), functools.partial(system_candidates, top, homes, search.mounted)) for top in SYSTEM
        ]
        listed = _answers(listing, seconds, total_seconds)
        unread += listed["refused"]
        jobs += [
            (_at(user, shown), functools.partial(look, paths, search))
            for user, shown, paths in together(listed["candidates"])
        ]
    found = _answers(jobs, seconds, max(0, int(end - time.monotonic())))
    places = {place["path"]: place for place in found["places"]}
    return {
        "places": [places[path] for path in sorted(places)],
        "settings": found["settings"],
        "unread": unread + found["refused"],
    }


def _answers(jobs: Iterable[as_user.Job], seconds: float, total_seconds: float) -> Look:
    """Return what functions found, those that gave no answer among what was ``refused``."""
    all_found: Look = {"places": [], "settings": [], "candidates": [], "refused": []}
    for answer in as_user.call_each(jobs, seconds=seconds, total_seconds=total_seconds, most_bytes=_MOST_BYTES):
        found = {"refused": [str(answer)]} if isinstance(answer, as_user.Failed) else answer
        for name, values in found.items():
            all_found[name] += values
    return all_found


def system_candidates(top: str, homes: Iterable[str], mounted: mounts.Mounts) -> Look:
    """Return what in a folder of the system's may be a distribution.

    A home is none: what is in it is its user's, and is looked at with that user's rights. Nor is a link of a user's.

    Returns
    -------
    dict
        ``candidates``: of each the path, its owner and group, and whether it may hang. ``refused``, as of ``look``.
    """
    refused: list[str] = []
    paths = [os.path.join(top, name) for name in user_files.names(top)]
    # In root's home: the environments that root has made, anywhere.
    paths += _unless_refused(_listed, top, refused)
    inner = [home for home in homes if not _is_below(top, home)]
    found: list[Candidate] = []
    for path in dict.fromkeys(paths):
        if any(_is_below(path, home) for home in inner):
            continue
        if mounted.has(path):
            found.append((path, 0, 0, True))
            continue
        try:
            status = os.lstat(path)
        except OSError:
            continue  # it went away meanwhile
        is_link = stat.S_ISLNK(status.st_mode)
        if stat.S_ISDIR(status.st_mode) or (is_link and status.st_uid == 0):
            found.append((path, status.st_uid, status.st_gid, is_link))
    return {"candidates": found, "refused": refused}


def together(candidates: Iterable[Candidate]) -> list[tuple[pwd.struct_passwd, str, list[str]]]:
    """Return whose rights are for which candidates: what may hang is alone, so that it hides nothing else."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for path, uid, gid, alone in candidates:
        groups.setdefault((uid, gid, path if alone else os.path.dirname(path)), []).append(path)
    return [(accounts.of_number(uid, gid), shown, paths) for (uid, gid, shown), paths in groups.items()]


def look_at_home(home: str, search: Search) -> Look:
    """Return the places in a home, and the settings; to be called with its user's rights."""
    names = [name for name in user_files.names(home) if _NAMES.search(name)]
    candidates = [os.path.join(home, name) for name in names]
    candidates += [os.path.join(home, ".local/share/mamba"), os.path.join(home, ".conda")]
    settings, refused = conda_settings.read(home)
    # Who has run conda with sudo may have a folder of root's there.
    listed = _unless_refused(_listed, home, refused)
    candidates += [path for path in listed if _is_below(path, home) and path != home]
    found = look(candidates, search)
    return {"places": found["places"], "settings": settings, "refused": [*refused, *found["refused"]]}


def _settings_alone(home: str) -> Look:
    settings, refused = conda_settings.read(home)
    return {"settings": settings, "refused": refused}


def look(candidates: Iterable[str], search: Search) -> Look:
    """Return the distributions among some folders, and the environments that they are or have.

    To be called with the rights of the folders' owner.

    Returns
    -------
    dict
        ``places``, and ``refused``, why a folder could not be read.
    """
    deadline = time.monotonic() + search.patience
    paths: list[str] = []
    refused: list[str] = []
    for top in candidates:
        environments = os.path.join(top, "envs")
        names = _unless_refused(user_files.names, environments, refused)
        # Several links may lead to one, and it is not a link that is exported.
        there = [os.path.realpath(path) for path in (top, *(os.path.join(environments, name) for name in names))]
        paths += [path for path in there if not search.passes_over(path) and _is_environment(path)]
    places: list[Place] = []
    for path in list(dict.fromkeys(paths))[:_MOST_PLACES]:
        places += _unless_refused(lambda path: [_place(path, search.mounted, deadline)], path, refused)
    return {"places": places, "refused": list(dict.fromkeys(refused))}


def _unless_refused(function: Callable[[str], list[Any]], path: str, refused: list[str]) -> list[Any]:
    try:
        return function(path)
    except user_files.Refused as error:
        refused.append(str(error))
        return []


def _is_environment(path: str) -> bool:
    """Return whether a path is an environment, by what conda itself makes there: no link and no pipe."""
    try:
        kinds = [os.lstat(path + name).st_mode for name in ("", "/conda-meta", "/conda-meta/history")]
    except OSError:
        return False
    return all(map(stat.S_ISDIR, kinds[:2])) and stat.S_ISREG(kinds[2])


def _place(path: str, mounted: mounts.Mounts, deadline: float) -> Place:
    is_base = os.path.exists(os.path.join(path, "condabin")) or os.path.exists(os.path.join(path, "bin", "conda"))
    meta = os.path.join(path, "conda-meta")
    records = [name for name in user_files.names(meta, _MOST_PACKAGES) if name.endswith(".json")]
    size, measured = size_below(path, mounted, deadline) if mounted.is_local(path) else (0, False)
    return {
        "path": path,
        "kind": "distribution" if is_base else "environment",
        "owner": _owner(path),
        "packages": len(records),
        "fingerprint": fingerprint(records, _of_pip(path, records)),
        "bytes": size,
        "measured": measured,
    }


def fingerprint(records: Iterable[str], of_pip: Iterable[str]) -> str:
    """Return digits that are the same for two environments of the same packages, by the names of their records."""
    names = "\n".join([*sorted(records), "", *sorted(of_pip)])
    return hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:_DIGITS]


def _of_pip(path: str, records: Iterable[str]) -> list[str]:
    """Return the names of the folders in which packages of Python say what they are, those of pip's among them."""
    versions = [match[1] for match in map(_PYTHON.fullmatch, records) if match]
    places = [os.path.join(path, "lib", "python%s" % version, "site-packages") for version in versions]
    return [name for place in places for name in user_files.names(place, _MOST_PACKAGES) if name.endswith("-info")]


def size_below(path: str, mounted: mounts.Mounts, deadline: float) -> tuple[int, bool]:
    """Return how much of the disk is used below a folder of one file system, and whether that is all of it.

    Files that several names have count once. What environments of a distribution use is part of it.
    """
    total, complete, seen, folders = 0, True, set(), [path]
    device = os.lstat(path).st_dev
    while folders:
        if time.monotonic() >= deadline:
            return total, False
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if mounted.has(entry.path):
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if status.st_dev != device or (status.st_dev, status.st_ino) in seen:
                        continue
                    if status.st_nlink > 1:
                        seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            continue  # it went away meanwhile
        except OSError:
            complete = False  # it belongs to another user, or its path is too long
    return total, complete


def _listed(home: str) -> list[str]:
    """Return what conda has listed in a home; a path that leads through ``..`` is none that it has written."""
    listed = user_files.read(os.path.join(home, _LISTED), os.geteuid(), _MOST_LISTED)
    lines = [line.strip() for line in listed.text.splitlines()] if listed else []
    return [line for line in lines if os.path.isabs(line) and os.path.normpath(line) == line]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _at(user: pwd.struct_passwd, folder: str) -> pwd.struct_passwd:
    """Return an account that messages and limits take for one with its home at a folder."""
    return pwd.struct_passwd((*user[:5], folder, user[6]))


def _owner(path: str) -> str:
    uid = os.lstat(path).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
