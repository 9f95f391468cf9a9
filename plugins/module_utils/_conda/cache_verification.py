# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether the package caches still hold what the packages brought.

Environments are linked from the caches, so a file that is damaged in an environment is damaged in the cache as well,
and would be linked into the next environment too.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import InstalledFile, of_conda, of_pip
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of

#: How many files a text names.
_NAMED = 3
_ARCHIVES = (".conda", ".tar.bz2")


class Damage(NamedTuple):
    """An entry of a cache that is not what its package brought."""

    #: Below the caches' directory, such as ``rattler/numpy-2.4.5-py311_0``.
    name: str
    #: What to remove, so that it is fetched again.
    path: str
    #: The files that differ, relative to ``path``.
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        more = " and %d more" % (len(self.files) - _NAMED) if len(self.files) > _NAMED else ""
        return "%s (%s%s)" % (self.name, ", ".join(self.files[:_NAMED]), more) if self.files else self.name


def damaged(pkgs: str, packages: Iterable[Package]) -> tuple[Damage, ...]:
    """Hash all that the caches have of these packages, and return what is damaged.

    Parameters
    ----------
    pkgs
        The directory of the caches.
    packages
        Those that an environment is to be made of.
    """
    checks = list(_checks(pkgs, list(packages)))
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return tuple(sorted(found for found in pool.map(lambda check: check(), checks) if found))


def remove(damages: Iterable[Damage]) -> None:
    """Remove entries; the caller holds the lock of the caches. What an interruption leaves is damaged still."""
    try:
        for damage in damages:
            if os.path.isdir(damage.path):
                shutil.rmtree(damage.path)
            else:
                os.unlink(damage.path)
    except OSError as error:
        raise EvenkeelError(
            "%s can't be removed from the package cache: %s" % (error.filename, error.strerror),
            "Remove it yourself and run again",
        ) from error


def _checks(pkgs: str, packages: Sequence[Package]) -> Iterator[Callable[[], Damage | None]]:
    """Yield what looks at each entry of the packages."""
    wheels = {(package.name, package.version) for package in packages if package.manager == PIP}
    for package in packages:
        if package.manager != PIP:
            for cache in ("rattler", "conda"):
                home = os.path.join(pkgs, cache, package.stem)
                if os.path.isdir(home):
                    yield partial(_check, "%s/%s" % (cache, package.stem), home, _unpacked)
                for archive in (home + suffix for suffix in _ARCHIVES):
                    if package.sha256 and os.path.isfile(archive):
                        name = "%s/%s" % (cache, os.path.basename(archive))
                        yield partial(_check_archive, name, archive, package.sha256)
        for home in glob.glob(os.path.join(glob.escape(pkgs), "bytecode", "*", package.sha256 or "-")):
            tag = os.path.basename(os.path.dirname(home))
            yield partial(_check, "bytecode/%s of %s" % (tag, package.name), home, _compiled)
    for home in glob.glob(os.path.join(glob.escape(pkgs), "uv", "archive-v*", "*", "*.dist-info")) if wheels else ():
        found = distribution(os.path.basename(home))
        if (found.name, found.version) in wheels:
            yield partial(_check, "uv/%s-%s" % (found.name, found.version), os.path.dirname(home), _wheel)


def _check(name: str, home: str, expected: Callable[[str], Iterable[InstalledFile]]) -> Damage | None:
    """Compare the files of an entry with what they are expected to be."""
    try:
        wrong = tuple(sorted(file.path for file in expected(home) if not _intact(home, file)))
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        return Damage(name, home, ("its own bookkeeping",))
    return Damage(name, home, wrong) if wrong else None


def _check_archive(name: str, path: str, sha256: str) -> Damage | None:
    with contextlib.suppress(OSError):
        if sha256_of(path) == sha256:
            return None
    return Damage(name, path)


def _unpacked(home: str) -> Iterator[InstalledFile]:
    """Yield the files of a package of conda as it lists them itself."""
    with open(os.path.join(home, "info", "index.json"), encoding="utf-8") as stream:
        json.load(stream)["name"]
    with open(os.path.join(home, "info", "paths.json"), encoding="utf-8") as stream:
        listed = json.load(stream)
    if not isinstance(listed["paths"], list):
        raise TypeError("paths.json")
    yield from of_conda({"paths_data": listed, "extracted_package_dir": home}, "")


def _compiled(home: str) -> Iterator[InstalledFile]:
    """Yield the bytecode of a package."""
    with open(os.path.join(home, "index.json"), encoding="utf-8") as stream:
        for path, sha256 in json.load(stream)["bytecode"].items():
            yield InstalledFile(path, sha256)


def _wheel(home: str) -> list[InstalledFile]:
    """Return the files of a wheel."""
    (info,) = (name for name in os.listdir(home) if name.endswith(".dist-info"))
    files = of_pip(home, info)
    if not files:
        raise ValueError("RECORD")
    return files


def _intact(home: str, file: InstalledFile) -> bool:
    """Whether a file is as it is expected to be; what can't be read is not."""
    path = os.path.join(home, file.path)
    try:
        status = os.lstat(path)
        if file.link or stat.S_ISLNK(status.st_mode):
            return file.link and stat.S_ISLNK(status.st_mode)
        if not stat.S_ISREG(status.st_mode) or (file.size and status.st_size != file.size):
            return False
        return not file.sha256 or sha256_of(path) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return file.compiled
    except OSError:
        return False
