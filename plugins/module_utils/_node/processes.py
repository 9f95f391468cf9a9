# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which directories running processes use, wherever they see them: through links, bind mounts and in containers.

The kernel reports the paths of a process as the process sees them. What they mean elsewhere is computed from the tables
of mounts alone. Nothing below a user's mount is touched, since a file system of the user's own may never answer.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

#: What is looked at of one process, so that a user's keeps no run busy: bytes of a table, and open files.
_MOST_BYTES = 8 << 20
_MOST_OPEN = 4096
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A part of a file system, and where it is seen."""

    #: The file system.
    device: str
    #: The directory in the file system.
    root: str
    #: Where a process sees it.
    point: str


def using(directories: Sequence[str], proc: str = "/proc") -> frozenset[str]:
    """Return those of ``directories`` that a running process has something in.

    That is its program, its folder, its root, a mapped file or an open one.
    """
    found: set[str] = set()
    places = {directory: _place(os.path.realpath(directory), _mounts(proc, "self")) for directory in directories}
    names_in: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {}
    for pid in filter(str.isdigit, os.listdir(proc)):
        left = [directory for directory in directories if directory not in found]
        if not left:
            break
        view = (_link(proc, pid, "ns/mnt"), _link(proc, pid, "root"))
        if view not in names_in:
            mounts = _mounts(proc, pid)
            names_in[view] = {directory: _names(directory, places[directory], mounts) for directory in directories}
        paths = set(filter(None, _paths(proc, pid)))
        found.update(directory for directory in left if _any_below(paths, names_in[view][directory]))
    return frozenset(found)


def parse_mounts(text: str, root: str = "/") -> list[Mount]:
    """Read a table of mounts; see ``/proc/PID/mountinfo`` in proc(5).

    Parameters
    ----------
    root
        The root of the process whose table it is: its mounts are reported relative to it.
    """
    rows = [line.split(" ") for line in text.splitlines()]
    return [
        Mount(row[2], _unescaped(row[3]), _joined(root, _unescaped(row[4]).lstrip("/"))) for row in rows if len(row) > 5
    ]


def _place(path: str, mounts: Iterable[Mount]) -> tuple[str, str] | None:
    """Return the file system that ``path`` is on, and its path there; None when no mount has it."""
    found = None
    for mount in mounts:  # of two at one point the later one is on top
        if _is_below(path, mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return (found.device, _joined(found.root, _relative(path, found.point))) if found else None


def _names(directory: str, place: tuple[str, str] | None, mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Return all paths that mean ``directory``, or a part of it, to processes with these mounts."""
    names = {directory, os.path.realpath(directory)}
    for mount in mounts:
        if place is None or mount.device != place[0]:
            continue
        if _is_below(place[1], mount.root):
            names.add(_joined(mount.point, _relative(place[1], mount.root)))
        elif _is_below(mount.root, place[1]):
            names.add(mount.point)
    return tuple(names)


def _paths(proc: str, pid: str) -> Iterator[str]:
    """Yield the files that a process uses, as the kernel reports them."""
    for name in ("exe", "cwd", "root"):
        yield _link(proc, pid, name)
    with contextlib.suppress(OSError), os.scandir(os.path.join(proc, pid, "fd")) as opened:
        for entry in islice(opened, _MOST_OPEN):
            yield _link(proc, pid, "fd/" + entry.name)
    for line in _text(proc, pid, "maps").splitlines():
        _unused, slash, path = line.partition("/")
        yield slash + path


def _mounts(proc: str, pid: str) -> list[Mount]:
    return parse_mounts(_text(proc, pid, "mountinfo"), _link(proc, pid, "root") or "/")


def _text(proc: str, pid: str, name: str) -> str:
    """Return what a file of a process says; empty when it has ended or may not be read."""
    try:
        with open(os.path.join(proc, pid, name), "rb") as stream:
            return os.fsdecode(stream.read(_MOST_BYTES))
    except OSError:
        return ""


def _link(proc: str, pid: str, name: str) -> str:
    """Return where a link of a process points to; empty when it has ended or may not be read."""
    try:
        return os.readlink(os.path.join(proc, pid, name))
    except OSError:
        return ""


def _any_below(paths: Iterable[str], directories: tuple[str, ...]) -> bool:
    beginnings = tuple(map(_beginning, directories))
    return any((path + "/").startswith(beginnings) for path in paths)


def _is_below(path: str, directory: str) -> bool:
    return _beginning(path).startswith(_beginning(directory))


def _relative(path: str, directory: str) -> str:
    return path[len(directory) :].lstrip("/")


def _joined(directory: str, relative: str) -> str:
    return os.path.join(directory, relative).rstrip("/") or "/"


def _beginning(directory: str) -> str:
    """Return what all paths below a directory begin with."""
    return directory.rstrip("/") + "/"


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
