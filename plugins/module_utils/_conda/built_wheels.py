# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Wheels that the control node has built and hands over; a node keeps each by its hash."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import rename_durably, sha256_of

#: Below the directory of the package caches.
CACHE = "wheels"
_PARTIAL = ".partial-"


def is_built(package: Package) -> bool:
    """Return whether a package is such a wheel: it is named by a path, which is the control node's.

    >>> is_built(Package("tool", "1.0", "", "ab", PIP, url="wheels/0f/tool-1.0-py3-none-any.whl"))
    True
    """
    return package.manager == PIP and "://" not in package.url and package.url.endswith(".whl")


def file_of(package: Package) -> str:
    """Return the name of its file, which says the Python and the platform that it is for."""
    return package.url.rpartition("/")[2]


def place(pkgs: str, package: Package) -> str:
    """Return where a node has it."""
    return os.path.join(pkgs, CACHE, package.sha256, file_of(package))


def lacking(pkgs: str, packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return those of ``packages`` that are such wheels and that the node does not have, or not as they were built."""
    built = (package for package in packages if is_built(package))
    return tuple(package for package in built if not _is_there(place(pkgs, package), package))


def receive(pkgs: str, packages: Sequence[Package], brought: str) -> None:
    """Keep the wheels of ``packages`` that the node lacks; the caller holds the lock of the caches.

    Parameters
    ----------
    pkgs
        The directory of the package caches.
    packages
        Those of an environment.
    brought
        The directory that the control node has put them into.

    Raises
    ------
    EvenkeelError
        One did not come, or is not what the lock says.
    """
    for package in lacking(pkgs, packages):
        source, target = os.path.join(brought, file_of(package)), place(pkgs, package)
        try:
            actual = sha256_of(source)
            if actual != package.sha256:
                raise EvenkeelError(
                    "The wheel %s arrived with the SHA-256 %s, not %s" % (file_of(package), actual, package.sha256),
                    "Nothing was installed; restore it from version control, or lock again",
                )
            _keep(source, target)
        except OSError as error:
            path = path_of(error) or source
            raise EvenkeelError(
                "The wheel %s can't be kept: %s: %s" % (file_of(package), path, error.strerror),
                "%s, then run again" % way_out(error, path),
            ) from error


def _keep(source: str, target: str) -> None:
    """Copy a file to its place, whole or not at all; what a killed run left there goes first."""
    folder = os.path.dirname(target)
    os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    for left in glob.glob(os.path.join(glob.escape(folder), _PARTIAL + "*")):
        os.unlink(left)
    with tempfile.NamedTemporaryFile(prefix=_PARTIAL, dir=folder, delete=False) as partial:
        try:
            with open(source, "rb") as stream:
                shutil.copyfileobj(stream, partial)
            partial.flush()
            os.fchmod(partial.fileno(), 0o644)
        except BaseException:
            os.unlink(partial.name)
            raise
    rename_durably(partial.name, target)


def _is_there(path: str, package: Package) -> bool:
    try:
        return sha256_of(path) == package.sha256
    except FileNotFoundError:
        return False
