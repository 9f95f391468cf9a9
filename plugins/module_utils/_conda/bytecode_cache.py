# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The cache of bytecode beside the package cache: a directory for each Python and package, ``TAG/SHA256``.

It has the bytecode in the layout of a prefix, and an index.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import Index, Python
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

_INDEX = "index.json"
_FORMAT = 1
_PARTIAL = ".partial"


class DamagedCache(EvenkeelError):
    """A file that a package cache should hold is missing there, or is not what its package brought."""


class BytecodeCache:
    """The bytecode that one release of Python has in a package cache."""

    def __init__(self, pkgs: str, python: Python) -> None:
        self.home = os.path.join(pkgs, "bytecode", python.tag)

    def clean(self, kept: Iterable[Package] = ()) -> None:
        """Make the directory, and remove what was interrupted, but not what is begun of the packages ``kept``."""
        os.makedirs(self.home, exist_ok=True)
        begun = {self._stage(package) for package in kept}
        for name in os.listdir(self.home):
            path = os.path.join(self.home, name)
            if name.startswith(".") and path not in begun:
                shutil.rmtree(path)

    def read(self, package: Package) -> Index | None:
        """Return what there is of a package; None when there is nothing whole.

        Raises
        ------
        EvenkeelError
            A newer Evenkeel has written it.
        """
        if not package.sha256:
            return None
        try:
            with open(os.path.join(self.home, package.sha256, _INDEX), encoding="utf-8") as stream:
                content = json.load(stream)
            require_known(stream.name, content, _FORMAT)
            return Index(dict(content["bytecode"]), tuple(content["rewritten"]))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def begin(self, package: Package) -> str:
        """Return a new directory for what is compiled of a package."""
        stage = self._stage(package)
        os.mkdir(stage)
        return stage

    def abandon(self, package: Package) -> None:
        """Remove what was begun of a package."""
        shutil.rmtree(self._stage(package))

    def store(self, package: Package, index: Index) -> None:
        """Declare what was compiled of a package complete, with one rename."""
        stage, home = self._stage(package), os.path.join(self.home, package.sha256)
        with open(os.path.join(stage, _INDEX), "w", encoding="utf-8") as stream:
            json.dump({"format": _FORMAT, **asdict(index)}, stream)
        if os.path.lexists(home):
            shutil.rmtree(home)
        os.rename(stage, home)

    def link(self, package: Package, prefix: str, paths: Iterable[str]) -> None:
        """Link a package's bytecode into a prefix, in place of what an installer compiled there.

        Raises
        ------
        DamagedCache
            A file that the index has is missing; what was left of the package is removed.
        """
        home, made = os.path.join(self.home, package.sha256), ""
        for path in paths:
            source, target = "%s/%s" % (home, path), "%s/%s" % (prefix, path)
            directory = target.rpartition("/")[0]
            if directory != made:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory)
                made = directory
            try:
                _put(source, target)
            except FileNotFoundError as error:
                if os.path.exists(source):
                    raise
                shutil.rmtree(home)
                raise DamagedCache(
                    "The bytecode in the package cache was damaged: %s was missing" % source,
                    "What was left of it has been removed; run again",
                ) from error

    def _stage(self, package: Package) -> str:
        return os.path.join(self.home, "." + package.sha256 + _PARTIAL)


def _put(source: str, target: str) -> None:
    """Link or copy a file, in place of one that is there."""
    try:
        _link_or_copy(source, target)
    except FileExistsError:
        os.unlink(target)
        _link_or_copy(source, target)


def _link_or_copy(source: str, target: str) -> None:
    """Link where the file system can."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            raise
        shutil.copyfile(source, target)
