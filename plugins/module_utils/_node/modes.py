# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Permissions of what packages bring: root alone may write it, everybody may read it, and nothing of it is set-uid.

Packages carry the permissions of the machine that they were built on. A file of an environment that a user of the node
can write is code that this user runs as everybody else who starts the environment's Python.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SET_ID = stat.S_ISUID | stat.S_ISGID
_READ = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
#: Not through a link.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: What conda, Python and shells read first; ``.`` is the environment itself.
_ENTRANCES = (".", "bin", "conda-meta", "etc/conda/activate.d", "lib", "lib/python*", "lib/python*/site-packages")
#: How many paths a text names.
_NAMED = 3
#: How many directories below each other are looked into; packages have some twenty.
_DEEPEST = 100


class Loose(NamedTuple):
    """A file or directory that others than its owner may change, or run as its owner."""

    path: str
    #: Whether that can be an ordinary user: the group of root has no such members.
    exposed: bool


def masked(mode: int) -> int:
    """Return permissions without writing by others, and without set-uid, set-gid and sticky."""
    return stat.S_IMODE(mode) & ~(_OTHERS_WRITE | _SET_ID | stat.S_ISVTX)


def shared(mode: int) -> int:
    """Return the permissions of a file or directory that everybody may read and its owner alone may write."""
    runs = stat.S_ISDIR(mode) or mode & stat.S_IXUSR
    return masked(mode) | _READ | (_EXECUTE if runs else 0)


def judge(path: str, status: os.stat_result, owner: int = 0) -> Loose | None:
    """Return what is loose about a file or directory that should be root's or ``owner``'s; None when nothing is.

    A link can't be changed, only replaced, which is up to its directory.
    """
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return None
    if status.st_uid not in (0, owner):
        return Loose(path, True)
    exposed = bool(mode & stat.S_IWOTH or (mode & stat.S_IWGRP and status.st_gid != 0))
    set_id = mode & _SET_ID and not stat.S_ISDIR(mode)
    return Loose(path, exposed) if mode & _OTHERS_WRITE or set_id else None


@contextlib.contextmanager
def private() -> Iterator[None]:
    """Have all that this process and its children make be their owner's alone, unless they say otherwise."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


def share(tree: str) -> None:
    """Give all below ``tree``, a directory that no other user can enter yet, the permissions of shared files."""
    owner = os.geteuid()
    todo = [tree]
    while todo:
        place = todo.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    continue
                if status.st_uid != owner:
                    os.chown(entry.path, owner, os.getegid())
                if stat.S_IMODE(status.st_mode) != shared(status.st_mode):
                    os.chmod(entry.path, shared(status.st_mode))
                if stat.S_ISDIR(status.st_mode):
                    todo.append(entry.path)


def open_up(tree: str) -> None:
    """Let everybody enter a directory whose content is ready for that."""
    os.chmod(tree, shared(os.stat(tree).st_mode))


def tighten(tree: str, skip: Iterable[str] = ()) -> tuple[Loose, ...]:
    """Take from others what they may do to a tree that they may be changing meanwhile, and return what that was.

    Nothing is made readable: a user may have put a link to a private file there.

    Parameters
    ----------
    skip
        Names directly below ``tree`` that belong to others.
    """
    return _survey(tree, frozenset(skip), change=True)


def loose(tree: str, skip: Iterable[str] = ()) -> tuple[Loose, ...]:
    """Return what others may change of a tree, relative to it; the tree itself is ``.``."""
    return _survey(tree, frozenset(skip), change=False)


def loose_entrances(prefix: str, skip: Iterable[str] = ()) -> tuple[Loose, ...]:
    """Return the same of what conda, Python and shells read first of an environment; cheap enough for each run."""
    skipped = frozenset(skip)
    owner, found = os.geteuid(), set()
    for pattern in _ENTRANCES:
        for place in glob.glob(os.path.join(glob.escape(prefix), pattern)):
            below = os.path.relpath(place, prefix)
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError),
                os.scandir(place) as entries,
            ):
                found.add(judge(below, os.stat(place), owner))
                for entry in entries:
                    path = entry.name if below == "." else below + "/" + entry.name
                    if path not in skipped:
                        found.add(judge(path, entry.stat(follow_symlinks=False), owner))
    return tuple(sorted(one for one in found if one))


def loose_ancestors(path: str) -> tuple[str, ...]:
    """Return the directories above ``path``, links among them followed, whose entries an ordinary user may replace."""
    places: dict[str, None] = {}
    for spelling in (os.path.abspath(path), os.path.realpath(path)):
        while spelling != os.path.dirname(spelling):
            spelling = os.path.dirname(spelling)
            places[spelling] = None
    found = []
    for place in places:
        try:
            status = os.stat(place)
        except FileNotFoundError:
            continue
        about = judge(place, status, os.geteuid())
        # In a sticky directory everybody may add entries, but only their owners replace them.
        if about and about.exposed and not (status.st_mode & stat.S_ISVTX and status.st_uid in (0, os.geteuid())):
            found.append(place)
    return tuple(sorted(found))


def reported(found: Iterable[Loose]) -> tuple[str, ...]:
    """Return in one line what others may change; no line when it is nothing."""
    paths = sorted(one.path for one in found)
    if not paths:
        return ()
    more = " and %d more" % (len(paths) - _NAMED) if len(paths) > _NAMED else ""
    return ("others may change %s%s" % (", ".join(paths[:_NAMED]), more),)


def correction(found: Sequence[Loose], where: str) -> str:
    """Return in one line what is taken back in a build; one that was never looked through may have nothing of that.

    >>> correction((), "b1")
    'permissions of b1 looked through, nothing to correct'
    >>> correction((Loose("bin/python", True),), "b1")
    'permissions of 1 file in b1'
    """
    if not found:
        return "permissions of %s looked through, nothing to correct" % where
    return "permissions of %d file%s in %s" % (len(found), "" if len(found) == 1 else "s", where)


def take(directory: str) -> None:
    """Take from others what they may do to one directory, its content aside."""
    with _opened(directory, _DIRECTORY) as descriptor:
        if descriptor is not None:
            _take(descriptor, os.geteuid())


def _survey(tree: str, skip: frozenset[str], *, change: bool) -> tuple[Loose, ...]:
    """Look through a tree by descriptors alone: nothing outside it is reached, whatever users do meanwhile."""
    owner = os.geteuid()
    found: list[Loose] = []

    def look(descriptor: int, path: str, depth: int) -> None:
        about = judge(path or ".", os.fstat(descriptor), owner)
        if about:
            found.append(about)
            if change:  # before its entries are read: from now on no one else can exchange them
                _take(descriptor, owner)
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if not path and entry.name in skip:
                    continue
                below = "%s/%s" % (path, entry.name) if path else entry.name
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # removed meanwhile
                    continue
                except OSError:  # where a user has mounted something, that user alone may look
                    found.append(Loose(below, True))
                    continue
                if stat.S_ISDIR(status.st_mode):
                    if depth == _DEEPEST:
                        found.append(Loose(below, True))
                        continue
                    with _opened(entry.name, _DIRECTORY, descriptor) as inner:
                        if inner is not None:
                            look(inner, below, depth + 1)
                    continue
                about = judge(below, status, owner)
                if about:
                    found.append(about)
                    if change:
                        with _opened(entry.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, descriptor) as file:
                            if file is not None:
                                _take(file, owner)

    with _opened(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as top:
        if top is not None:
            look(top, "", 0)
    return tuple(sorted(found))


@contextlib.contextmanager
def inside(tree: str, relative: str) -> Iterator[str | None]:
    """Yield a path that leads to what is below ``tree`` whatever users do meanwhile; None where links lead away."""
    with contextlib.ExitStack() as stack:
        descriptor = stack.enter_context(_opened(tree, _DIRECTORY))
        for name in filter(None, os.path.dirname(relative).split("/")):
            if descriptor is not None:
                descriptor = stack.enter_context(_opened(name, _DIRECTORY, descriptor))
        yield None if descriptor is None else "/proc/self/fd/%d/%s" % (descriptor, os.path.basename(relative))


@contextlib.contextmanager
def _opened(path: str, flags: int, directory: int | None = None) -> Iterator[int | None]:
    """Yield a descriptor; None for what has gone or has been exchanged meanwhile, or what only root may read."""
    try:
        descriptor = os.open(path, flags, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EACCES):
            raise
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, owner: int) -> None:
    """Make the file or directory behind a descriptor ``owner``'s, who alone may write it."""
    place, status = "/proc/self/fd/%d" % descriptor, os.fstat(descriptor)
    if stat.S_ISLNK(status.st_mode):  # exchanged meanwhile
        return
    if status.st_uid not in (0, owner):
        os.chown(place, owner, os.getegid())
    os.chmod(place, masked(status.st_mode))
