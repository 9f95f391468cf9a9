# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package caches of a node, and which of their entries may go."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import built_wheels
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out

_ARCHIVES = (".conda", ".tar.bz2")
_REMOVED = ".removed-"


@dataclass(frozen=True)
class Entry:
    """One package in one of the caches, with all that belongs to it."""

    name: str
    paths: tuple[str, ...]
    #: What removing it sets free: files that an environment still links to are not counted, nor what is needed.
    size: int
    #: Seconds since the epoch: when it was last put into an environment, or fetched.
    used: float
    #: Whether a generation was built from it.
    needed: bool


@dataclass(frozen=True)
class Limits:
    """What to keep of the packages that no generation needs; 0 means all."""

    seconds: float = 0
    bytes: int = 0


def read(root: str) -> tuple[Entry, ...]:
    """Return the entries of all caches below ``root``."""
    stems, hashes = set(), set()
    for path in glob.glob(os.path.join(glob.escape(root), "generations", "*", "*")):
        generation = generations.read(path)
        for package in generation.packages if generation else ():
            stems.add(package.stem)
            hashes.add(package.sha256)
    pkgs = glob.escape(os.path.join(root, "pkgs"))
    found = []
    for cache in ("rattler", "conda"):
        for path in sorted(glob.glob(os.path.join(pkgs, cache, "*", "info", "index.json"))):
            home = os.path.dirname(os.path.dirname(path))
            name = os.path.basename(home)
            beside = [home + suffix for suffix in (".lock", *_ARCHIVES)]
            found.append(entry("%s/%s" % (cache, name), [home, *filter(os.path.exists, beside)], name in stems))
    for home in sorted(glob.glob(os.path.join(pkgs, "bytecode", "*", "*"))):
        tag, name = home.rsplit(os.sep, 2)[1:]
        found.append(entry("bytecode/%s/%s" % (tag, name), [home], name in hashes))
    for home in sorted(glob.glob(os.path.join(pkgs, built_wheels.CACHE, "*"))):
        name = os.path.basename(home)
        found.append(entry("%s/%s" % (built_wheels.CACHE, name), [home], name in hashes))
    return tuple(found)


def entry(name: str, paths: Sequence[str], needed: bool) -> Entry:
    """Measure what belongs to one package; what is needed stays, and costs nothing to leave alone."""
    size = 0 if needed else _size(paths)
    return Entry(name, tuple(paths), size, os.stat(paths[0]).st_mtime, needed)


def _size(paths: Sequence[str]) -> int:
    files = [path for path in paths if not os.path.isdir(path)]
    for path in paths:
        files += [os.path.join(folder, file) for folder, _folders, names in os.walk(path) for file in names]
    size = 0
    for file in files:
        status = os.lstat(file)
        size += status.st_size if status.st_nlink == 1 else 0
    return size


def superfluous(entries: Iterable[Entry], limits: Limits, now: float) -> tuple[Entry, ...]:
    """Return the entries that no generation needs and that are over a limit, oldest first; pure."""
    unused = sorted((entry for entry in entries if not entry.needed), key=lambda entry: (entry.used, entry.name))
    total = sum(entry.size for entry in unused)
    going = []
    for candidate in unused:
        too_old = limits.seconds and now - candidate.used > limits.seconds
        too_much = limits.bytes and total > limits.bytes
        if too_old or too_much:
            going.append(candidate)
            total -= candidate.size
    return tuple(going)


def remove(entries: Iterable[Entry]) -> None:
    """Remove entries; the caller holds the lock of the caches. An interruption leaves nothing that looks whole."""
    try:
        for path in (path for gone in entries for path in reversed(gone.paths)):
            if os.path.isdir(path):
                doomed = os.path.join(os.path.dirname(path), _REMOVED + os.path.basename(path))
                os.rename(path, doomed)
                shutil.rmtree(doomed)
            else:
                os.unlink(path)
    except OSError as error:
        path = path_of(error)
        raise EvenkeelError(
            "%s can't be removed from the package cache: %s" % (path, error.strerror),
            "%s, then run again" % way_out(error, path),
        ) from error


def interrupted(root: str) -> tuple[str, ...]:
    """Return the paths of what interrupted removals left."""
    pkgs = os.path.join(glob.escape(root), "pkgs")
    places = (os.path.join(pkgs, place, _REMOVED + "*") for place in ("*", os.path.join("bytecode", "*")))
    return tuple(sorted(path for place in places for path in glob.glob(place)))


def sweep(root: str) -> None:
    """Finish removals that were interrupted."""
    for path in interrupted(root):
        shutil.rmtree(path)


def touch(root: str, packages: Iterable[Package]) -> None:
    """Note that packages have just been put into an environment."""
    for package in packages:
        for cache in ("rattler", "conda"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(os.path.join(root, "pkgs", cache, package.stem))
        for path in glob.glob(os.path.join(glob.escape(root), "pkgs", "bytecode", "*", package.sha256 or "-")):
            os.utime(path)
        with contextlib.suppress(FileNotFoundError):
            os.utime(os.path.join(root, "pkgs", built_wheels.CACHE, package.sha256 or "-"))
