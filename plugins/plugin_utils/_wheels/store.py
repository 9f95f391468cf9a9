# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The wheels that were built on the control node, each in a folder of its own with a record of how it was made."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.foreign_files import is_wheel_name, json_object
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease

#: The name of a store beside a lock.
DIRECTORY = "wheels"
RECORD = "build.json"
#: The platform of a wheel that runs on all.
ANY = "any"
_DIGITS = 16
#: What a lock records of how a wheel was made; the rest is in its entry.
_RECORDED = ("source", "source_sha256", "python", "platform", "backend", "requirements")


@dataclass(frozen=True)
class Made:
    """How a wheel was made."""

    name: str
    version: str
    #: The URL of the archive, or the commit's as pip writes it.
    source: str
    #: Of the archive; empty for a commit.
    source_sha256: str
    #: Python's version to its minor number, such as ``3.11``.
    python: str
    #: conda's name of the platform, or ``any``.
    platform: str
    backend: str
    #: Exact build requirements with their hashes, sorted.
    requirements: tuple[str, ...]
    #: The wheel's file, and its hash.
    wheel: str
    sha256: str

    @property
    def key(self) -> str:
        """What the wheel was made from, as one hash."""
        made_from = [self.source_sha256 or self.source, list(self.requirements), self.python, self.platform]
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True)
class Store:
    """A directory of wheels."""

    directory: Path
    #: Where a rehearsal keeps the wheels that it makes, and which goes with it; None to keep them in the store.
    rehearsed: Path | None = None
    #: Where nodes get what is in the directory; empty where the control node hands it over.
    url: str = ""

    def find(self, release: SourceRelease, python: str, platform: str) -> Path | None:
        """Return the wheel that was made of a release before; None when there is none.

        It stays, whatever its build requirements would be today: so locking again keeps its hash.

        Raises
        ------
        EvenkeelError
            It is not as it was made.
        """
        directories = [self.directory, *([self.rehearsed] if self.rehearsed else [])]
        for record in sorted(record for directory in directories for record in directory.glob(f"*/{RECORD}")):
            made = read(record)
            same = made.source_sha256 == release.sha256 if release.sha256 else made.source == release.url
            if same and made.name == release.name and made.python == python and made.platform in (platform, ANY):
                return _checked(record, made)
        return None

    def add(self, wheel: Path, made: Made) -> Path:
        """Put a wheel there, whole or not at all, unless one that was made of the same is there; return its path."""
        directory = self.rehearsed or self.directory
        target = directory / made.key
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".partial-", dir=directory) as partial:
                folder = Path(partial) / made.key
                folder.mkdir(mode=0o755)
                shutil.copyfile(wheel, folder / made.wheel)
                write_atomically(str(folder / RECORD), json.dumps(asdict(made), indent=2) + "\n")
                if (target / RECORD).exists():  # of another run, which may have locked it already
                    return _checked(target / RECORD, read(target / RECORD))
                if target.exists():
                    shutil.rmtree(target)
                folder.rename(target)
        except OSError as error:
            raise EvenkeelError(
                f"The wheel {made.wheel} can't be kept in {directory}: {path_of(error)}: {error.strerror}",
                f"{way_out(error, path_of(error))}, or name another directory with lock_wheels",
            ) from error
        return target / made.wheel

    def as_in_lock(self, packages: Iterable[Package], lock: Path) -> list[Package]:
        """Return packages as a lock names them: wheels of the store by its URL, or relative to the lock's folder."""
        return [self._in_lock(package, lock) if is_built(package) else package for package in packages]

    def _in_lock(self, package: Package, lock: Path) -> Package:
        wheel = self._kept(Path(package.url))
        if not self.url:
            return replace(package, url=in_lock(wheel, lock), index="")
        return replace(package, url=f"{self.url}/{quote(wheel.relative_to(self.directory).as_posix())}", index=self.url)

    def _kept(self, wheel: Path) -> Path:
        """Return where a wheel is, or will be when what is rehearsed now is done."""
        if self.rehearsed and wheel.is_relative_to(self.rehearsed):
            return self.directory / wheel.relative_to(self.rehearsed)
        return wheel


def read(record: Path) -> Made:
    """Return how a wheel was made.

    Raises
    ------
    EvenkeelError
        The record is malformed.
    """
    try:
        found = json_object(record)
        requirements = found.pop("requirements", None)
        if not isinstance(requirements, list) or not all(
            isinstance(one, str) for one in (*requirements, *found.values())
        ):
            raise ValueError("a value is of another kind")
        if not is_wheel_name(found.get("wheel")):
            raise ValueError("it does not name a wheel's file")
        return Made(**found, requirements=tuple(requirements))
    except (OSError, ValueError, TypeError) as error:
        raise EvenkeelError(
            f"{record} does not say how its wheel was made: {error}",
            way_back(record.parent),
        ) from None


def way_back(folder: Path) -> str:
    """Return what to do about a wheel of a store, or its record, that is not as it was made."""
    return f"Restore it from version control, or remove {folder} and lock again"


def made_of(wheel: Path) -> Made | None:
    """Return how a wheel of a store was made; None of another file."""
    record = wheel.with_name(RECORD)
    return read(record) if record.is_file() else None


def on_control_node(packages: Iterable[Package], lock: Path) -> tuple[Package, ...]:
    """Return the packages of a lock, with the whole paths of the wheels that it names by relative ones."""
    return tuple(
        replace(package, url=os.path.normpath(lock.parent / package.url)) if is_built(package) else package
        for package in packages
    )


def require_files(wheels: Iterable[Path]) -> None:
    """Fail where wheels that nodes lack are missing here too, and name all of them."""
    missing = sorted(str(wheel) for wheel in wheels if not wheel.is_file())
    if missing:
        raise EvenkeelError(
            f"Wheels that a lock names are missing: {', '.join(missing)}",
            "Restore them from version control, where they belong beside the lock, or lock again",
        )


def how_made(packages: Iterable[Package]) -> dict[str, dict[str, Any]]:
    """Return how each wheel of ``packages`` that was built was made, by its hash, as a lock records it."""
    found = {}
    for package in packages:
        made = made_of(Path(package.url)) if is_built(package) else None
        if made:
            about = asdict(made)
            found[package.sha256] = {key: about[key] for key in _RECORDED if about[key]}
    return dict(sorted(found.items()))


def in_lock(wheel: Path, lock: Path) -> str:
    """Return how a lock names a wheel: its path, relative to the lock's folder, with slashes."""
    return Path(os.path.relpath(wheel, lock.parent)).as_posix()


def _checked(record: Path, made: Made) -> Path:
    """Return the wheel of a record, which has to be as it was made."""
    wheel = record.with_name(made.wheel)
    try:
        if not stat.S_ISREG(wheel.lstat().st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        found = sha256_of(str(wheel))
    except OSError as error:
        raise EvenkeelError(
            f"The wheel {wheel} can't be read: {error.strerror}",
            way_back(wheel.parent),
        ) from error
    if found != made.sha256:
        raise EvenkeelError(
            f"The wheel {wheel} has the SHA-256 {found}, and was made with {made.sha256}",
            way_back(wheel.parent),
        )
    return wheel
