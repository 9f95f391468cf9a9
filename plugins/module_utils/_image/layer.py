# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A layer of a container image: a tar file that depends on its files alone, and not on when or where they were made."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: Of the directories above what a layer contains, where the machine has none.
_DIRECTORY = 0o755


@dataclass(frozen=True)
class Text:
    """The content of a file that the layer has in place of the machine's, or beside its files."""

    content: bytes
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Contents:
    """What a layer contains.

    Parameters
    ----------
    trees
        Files and directories with all that is in them, as absolute paths.
    without
        Files and directories that are left out.
    texts
        Files by their absolute path.
    directories
        Directories that need not exist, each with its mode and its owner.
    """

    trees: Sequence[str] = ()
    without: frozenset[str] = frozenset()
    texts: Mapping[str, Text] = field(default_factory=dict)
    directories: Mapping[str, tuple[int, tuple[int, int]]] = field(default_factory=dict)


def write(stream: IO[bytes], contents: Contents, made: int, root: str = "/") -> str:
    """Write a layer, and return the SHA-256 of it, which is its ``diff_id``.

    Files belong to root and are in the order of their paths, hard links within the layer are kept, and nothing is newer
    than ``made``: older times are those of packages, by which Python recognises their bytecode.

    Parameters
    ----------
    made
        The time of the image, in seconds since 1970.
    root
        Where the paths are on this machine.
    """
    hashed = _Hashed(stream)
    first: dict[tuple[int, int], str] = {}
    with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:  # type: ignore[call-overload]
        for path in sorted(_paths(contents, root), key=os.fsencode):
            text = contents.texts.get(path)
            if text is not None:
                _add_text(tar, path, text, made)
            else:
                _add(tar, path, contents, made, root, first)
    return hashed.sha256.hexdigest()


class _Hashed:
    """A stream that is hashed while it is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.sha256 = stream, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self.stream.write(data)


def _paths(contents: Contents, root: str) -> set[str]:
    found = {*contents.texts, *contents.directories}
    for tree in contents.trees:
        found.update(_below(tree, contents.without, root))
    above = {os.path.dirname(path) for path in found}
    while above - found:
        found |= above
        above = {os.path.dirname(path) for path in above}
    return found - {"/"}


def _below(path: str, without: frozenset[str], root: str) -> Iterator[str]:
    """Yield a path that exists and all below it."""
    if path in without or not os.path.lexists(_here(root, path)):
        return
    yield path
    here = _here(root, path)
    if os.path.isdir(here) and not os.path.islink(here):
        for name in os.listdir(here):
            yield from _below(os.path.join(path, name), without, root)


def _here(root: str, path: str) -> str:
    return os.path.join(root, path.lstrip("/"))


def _info(path: str, mode: int, owner: tuple[int, int], made: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.mode, info.mtime = mode, made
    info.uid, info.gid = owner
    return info


def _add_text(tar: tarfile.TarFile, path: str, text: Text, made: int) -> None:
    info = _info(path, text.mode, text.owner, made)
    info.size = len(text.content)
    tar.addfile(info, io.BytesIO(text.content))


def _add(
    tar: tarfile.TarFile, path: str, contents: Contents, made: int, root: str, first: dict[tuple[int, int], str]
) -> None:
    here = _here(root, path)
    mode, owner = contents.directories.get(path, (_DIRECTORY, (0, 0)))
    status = os.lstat(here) if os.path.lexists(here) else None
    if status is None or path in contents.directories or stat.S_ISDIR(status.st_mode):
        is_new = status is None or path in contents.directories
        info = _info(path, mode if is_new else stat.S_IMODE(status.st_mode), owner, made)  # type: ignore[union-attr]
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        return
    info = _info(path, stat.S_IMODE(status.st_mode), (0, 0), min(made, int(status.st_mtime)))
    if stat.S_ISLNK(status.st_mode):
        info.type, info.linkname, info.mtime = tarfile.SYMTYPE, os.readlink(here), made
        tar.addfile(info)
    elif not stat.S_ISREG(status.st_mode):
        raise EvenkeelError("%s is no file, directory or link, so no image can have it" % path, "Remove it")
    elif (status.st_dev, status.st_ino) in first:
        info.type, info.linkname = tarfile.LNKTYPE, first[status.st_dev, status.st_ino].lstrip("/")
        tar.addfile(info)
    else:
        if status.st_nlink > 1:
            first[status.st_dev, status.st_ino] = path
        info.size = status.st_size
        with open(here, "rb") as file:
            tar.addfile(info, file)


def described(name: str, path: str, sha256: str) -> dict[str, Any]:
    """Return a layer as the module reports it."""
    return {"name": name, "path": path, "sha256": sha256, "size": os.path.getsize(path)}
