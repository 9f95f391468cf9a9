# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The collection's code on a node: compiled once, and imported from one file.

Ansible sends a module with all that it imports, and the node compiles all of it on each run. What a survey imports is
the larger part of this collection, so a survey sends it once. The node keeps it compiled in a directory of root's, by
the hash of its sources, and imports it from there.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import marshal
import os
import re
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, ModuleType

DIRECTORY = "/var/lib/evenkeel/code"
ROOMS = "ansible_collections.evenkeel.gpu.plugins.module_utils"

#: The names that files have in the directory; all others are left alone.
_KEPT = re.compile("[0-9a-f]{64}-[0-9a-f]+")
_TEMPORARY = re.compile(r"\.evenkeel-[0-9]+")
#: More than ten times what is kept at present.
_MOST_BYTES = 32 << 20
#: How much room there must be for what is kept: a disk is not filled for it.
_TIMES_ITS_SIZE = 10

#: Each module's code, marshalled, and its source, by its full name.
Compiled = Mapping[str, "tuple[bytes, str]"]


def make_importable(digest: str, packed: str | None, *, keep: bool, directory: str = DIRECTORY) -> bool:
    """Make the code importable; return whether it could be, which without ``packed`` needs what is kept.

    Parameters
    ----------
    digest
        The SHA-256 of what ``packed`` holds.
    packed
        The sources by the full names of their modules: JSON, compressed by zlib, in base64.
    keep
        Whether to keep the compiled code for the next survey.
    """
    path = os.path.join(directory, "%s-%s" % (digest, importlib.util.MAGIC_NUMBER.hex()))
    compiled = kept(path)
    if compiled is None:
        if packed is None:
            return False
        compiled = compile_all(unpacked(digest, packed))
        if keep:
            # A node without a place for it is surveyed all the same.
            with contextlib.suppress(OSError):
                store(path, compiled)
    sys.meta_path.insert(0, Finder(compiled))
    return True


def unpacked(digest: str, packed: str) -> dict[str, str]:
    """Return the sources by the full names of their modules."""
    text = zlib.decompress(base64.b64decode(packed))
    if hashlib.sha256(text).hexdigest() != digest:
        raise ValueError("the code that was sent is not the code that was announced")
    sources: dict[str, str] = json.loads(text)
    return sources


def compile_all(sources: Mapping[str, str]) -> dict[str, tuple[bytes, str]]:
    """Return the code and the source of each module."""
    return {
        name: (marshal.dumps(compile(text, _file_of(name), "exec", dont_inherit=True)), text)
        for name, text in sources.items()
    }


def kept(path: str) -> Compiled | None:
    """Return what an earlier survey has kept; None where it is missing, damaged, or could be somebody else's."""
    directory, name = os.path.split(path)
    try:
        with _ours(directory, os.O_DIRECTORY) as place, _ours(name, 0, place) as file:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
                return None
            with open(file, "rb", closefd=False) as stream:
                content = stream.read()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    if hashlib.sha256(content[size:]).digest() != content[:size]:
        return None
    compiled: Compiled = marshal.loads(content[size:])  # noqa: S302
    return compiled


def store(path: str, compiled: Compiled) -> None:
    """Keep compiled code, in place of that of earlier versions, where there is much more room than it takes."""
    content = marshal.dumps(dict(compiled))
    directory, name = os.path.split(path)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    with _ours(directory, os.O_DIRECTORY) as place:
        _remove(place, _TEMPORARY)
        room = os.fstatvfs(place)
        if room.f_bavail * room.f_frsize < _TIMES_ITS_SIZE * len(content):
            return
        temporary = ".evenkeel-%d" % os.getpid()
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=place)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(hashlib.sha256(content).digest() + content)
            os.rename(temporary, name, src_dir_fd=place, dst_dir_fd=place)
        except BaseException:
            _remove(place, _TEMPORARY)
            raise
        _remove(place, _KEPT, but=name)


@contextlib.contextmanager
def _ours(name: str, kind: int, place: int | None = None) -> Iterator[int]:
    """Open what only this account can write to; follow no link, and wait for nothing.

    Parameters
    ----------
    name
        A path, or a name in ``place``.
    kind
        What else ``os.open`` must see to.
    place
        A directory's descriptor.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | kind, dir_fd=place)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others can write to it", name)
        yield descriptor
    finally:
        os.close(descriptor)


def _remove(place: int, names: re.Pattern[str], but: str = "") -> None:
    for name in os.listdir(place):
        if names.fullmatch(name) and name != but:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=place)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports compiled code."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._packages = {name.rpartition(".")[0] for name in compiled}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how a module or a package is loaded; None for other people's."""
        if fullname in self._compiled:
            spec = importlib.machinery.ModuleSpec(fullname, self, origin=_file_of(fullname))
            spec.has_location = True  # inspect.getsource asks for the file
            return spec
        if fullname in self._packages:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Leave that to Python."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's code; a package has none."""
        code = self.get_code(module.__name__)
        if code is not None:
            exec(code, module.__dict__)  # noqa: S102

    def get_code(self, fullname: str) -> CodeType | None:
        """Return a module's code."""
        return marshal.loads(self._compiled[fullname][0]) if fullname in self._compiled else None  # noqa: S302

    def get_source(self, fullname: str) -> str | None:
        """Return a module's source."""
        return self._compiled[fullname][1] if fullname in self._compiled else None

    def is_package(self, fullname: str) -> bool:
        """Return whether a name is that of a package."""
        return fullname in self._packages


def _file_of(name: str) -> str:
    return "/evenkeel/%s.py" % name.replace(".", "/")
