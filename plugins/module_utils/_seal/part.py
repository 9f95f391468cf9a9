# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What belongs to one machine alone: where it is, and what becomes of it when the machine is sealed."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: How a part goes: the whole path, the content of its files, or single lines of its files.
REMOVE, EMPTY, LINES = "remove", "empty", "lines"
HOWS = (REMOVE, EMPTY, LINES)
#: What stands for each home at the beginning of a path.
_HOME = "~/"
#: A larger file is no secret.
_LARGEST_SECRET = 1 << 20


@dataclass(frozen=True)
class Part:
    """A part of a machine.

    Parameters
    ----------
    path
        A pattern of paths; one that begins with ``~/`` is of every home.
    lines
        What the lines match that go.
    where
        A path; where there is none, the part stays.
    secret
        Whether files are overwritten before they are removed, since what is removed is still on the disk.
    """

    path: str
    what: str
    how: str = REMOVE
    lines: str = ""
    where: str = ""
    secret: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Part:
        """Return the part that options describe; those that are not set have their defaults."""
        return cls(**{name: value for name, value in options.items() if name in _FIELDS and value is not None})

    def paths(self, homes: tuple[str, ...] = ()) -> list[str]:
        """Return the paths of this machine that the pattern means, in order."""
        if self.where and not os.path.exists(self.where):
            return []
        return sorted(path for path in set(_matching(self.path, homes)) if not _has_this_program(path))


_FIELDS = Part.__dataclass_fields__


def _matching(pattern: str, homes: tuple[str, ...]) -> Iterator[str]:
    if not pattern.startswith(_HOME):
        yield from glob.iglob(pattern, recursive=True)
        return
    for home in homes:
        for path in glob.iglob(os.path.join(glob.escape(home), pattern[len(_HOME) :]), recursive=True):
            # A user may have made a link to anywhere.
            if os.path.realpath(os.path.dirname(path)) == os.path.dirname(path):
                yield path


def _has_this_program(path: str) -> bool:
    """Return whether this process still reads its own code there."""
    return any((place + "/").startswith(path + "/") for place in sys.path if place)


@dataclass(frozen=True)
class Found:
    """A path of a part, and how many files go there or change."""

    part: Part
    path: str
    files: int

    @property
    def stays(self) -> bool:
        """Whether the path itself stays."""
        return self.part.how != REMOVE


def find(part: Part, homes: tuple[str, ...] = ()) -> list[Found]:
    """Return what there is of a part, and is not as it has to be."""
    found = (Found(part, path, sum(1 for _unused in _affected(part, path))) for path in part.paths(homes))
    return [one for one in found if one.files or (not one.stays and os.path.lexists(one.path))]


def _affected(part: Part, path: str) -> Iterator[str]:
    """Yield the files of a path that go or change."""
    for file in _files(path):
        with contextlib.suppress(OSError):
            status = os.lstat(file)
            regular = stat.S_ISREG(status.st_mode)
            if part.how == REMOVE or (regular and status.st_size and (part.how == EMPTY or _kept(part, file)[1])):
                yield file


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path) or os.path.islink(path):
        if os.path.lexists(path):
            yield path
        return
    for folder, _folders, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in sorted(names))


def _kept(part: Part, file: str) -> tuple[str, int]:
    """Return the text of a file without the lines that go, and how many those are."""
    with open(file, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        lines = stream.readlines()
    kept = [line for line in lines if not re.search(part.lines, line)]
    return "".join(kept), len(lines) - len(kept)


def apply(found: Found) -> None:
    """Have a path as it has to be."""
    for file in list(_affected(found.part, found.path)):
        if found.part.secret:
            _overwrite(file)
        if found.part.how == EMPTY:
            os.truncate(file, 0)
        elif found.part.how == LINES:
            text = _kept(found.part, file)[0]
            with open(file, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                stream.write(text)
    if found.stays:
        return
    if os.path.isdir(found.path) and not os.path.islink(found.path):
        shutil.rmtree(found.path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(found.path)


def _overwrite(file: str) -> None:
    status = os.lstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_SECRET:
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(descriptor, bytes(status.st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
