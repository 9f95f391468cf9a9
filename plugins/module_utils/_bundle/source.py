# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where a bundle lies: a folder, or a tar whose files are all below one folder. Nothing of it is believed yet."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, Protocol

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import manifest as manifests
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os

#: What is no plain file, in place of its size.
NO_FILE = -1


class Source(Protocol):
    """A bundle's files."""

    place: str

    def sizes(self) -> Mapping[str, int]:
        """Return the size of each file by its path, ``NO_FILE`` for what is there and is no plain file."""

    def open(self, path: str) -> contextlib.AbstractContextManager[IO[bytes]]:
        """Open a file that ``sizes`` has."""


class Folder:
    """A bundle as a folder."""

    def __init__(self, place: str) -> None:
        self.place = place

    def sizes(self) -> Mapping[str, int]:
        """Return what the folder has; links are not followed."""
        found = {}
        todo = [""]
        while todo:
            below = todo.pop()
            with os.scandir(os.path.join(self.place, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(path)
                    else:
                        found[path] = _size(entry.stat(follow_symlinks=False))
        return found

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file, and no link."""
        descriptor = os.open(os.path.join(self.place, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            yield stream


class Archive:
    """A bundle as a tar.

    Raises
    ------
    EvenkeelError
        It is none, ends early, or its files are not below one folder.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        try:
            with tarfile.open(place, "r:") as tar:
                members = tar.getmembers()
        except (tarfile.TarError, EOFError) as error:
            raise EvenkeelError(
                "%s is no tar, or ends early: %s" % (place, error), "It was copied or written in part: copy it anew"
            ) from error
        self._members: dict[str, tarfile.TarInfo] = {}
        files = {member: member.name.removeprefix("./") for member in members if not member.isdir()}
        tops = {"" if manifests.NAME in files.values() else name.partition("/")[0] for name in files.values()}
        if len(tops) != 1:
            raise EvenkeelError(
                "%s is no bundle: its files are not below one folder" % place, "Name a tar that bundle.yml has made"
            )
        (top,) = tops
        for member, name in files.items():
            path = name.removeprefix("%s/" % top if top else "")
            if path in self._members:
                raise EvenkeelError("%s has %r twice" % (place, path), "Copy the bundle anew from where it was made")
            self._members[path] = member

    def sizes(self) -> Mapping[str, int]:
        """Return what the tar has."""
        return {path: one.size if one.isreg() else NO_FILE for path, one in self._members.items()}

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file."""
        with tarfile.open(self.place, "r:") as tar:
            stream = tar.extractfile(self._members[path])
            if stream is None:
                raise EvenkeelError("%s has %r, which is no file" % (self.place, path), "Copy the bundle anew")
            with stream:
                yield stream


def at(place: str) -> Source:
    """Return the bundle that lies at a path.

    Raises
    ------
    EvenkeelError
        There is nothing, or no tar.
    """
    try:
        mode = os.stat(place).st_mode
    except OSError as error:
        raise from_os(error, place) from error
    return Folder(place) if stat.S_ISDIR(mode) else Archive(place)


def _size(status: os.stat_result) -> int:
    return status.st_size if stat.S_ISREG(status.st_mode) else NO_FILE
