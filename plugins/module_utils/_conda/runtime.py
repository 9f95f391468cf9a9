# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Evenkeel's own tools on a node, py-rattler and uv, unpacked from wheels beside the conda distribution."""

from __future__ import annotations

import base64
import contextlib
import csv
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, path_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    CHUNK_BYTES,
    disk_full,
    make_directories,
    rename_durably,
    require_normalised,
    sha256_of,
    sync_file_systems,
)

RATTLER = "py_rattler"
#: The oldest Python that py-rattler runs on.
OLDEST_PYTHON = (3, 10)
#: Stands before the name of a runtime that is being made or removed.
PARTIAL = ".partial-"
_NAME = re.compile(r"[0-9a-f]{16}")
_LEFTOVER = re.compile(re.escape(PARTIAL) + _NAME.pattern)
#: Where a runtime has what a wheel keeps in the folders of its ``.data``.
_PLACES = {"scripts": "bin", "purelib": "site-packages", "platlib": "site-packages"}
#: How many damaged files a text names.
_NAMED = 3


@dataclass(frozen=True)
class Wheel:
    """One archive of a Python distribution."""

    #: The file's name.
    name: str
    sha256: str

    @property
    def distribution(self) -> str:
        return self.name.split("-")[0]

    @property
    def content(self) -> str:
        """Name and version, such as ``uv 0.13.9``."""
        return " ".join(self.name.split("-")[:2])


@dataclass(frozen=True)
class Desired:
    """The runtime that must be there."""

    #: The directory of all runtimes.
    directory: str
    wheels: tuple[Wheel, ...]

    @property
    def id(self) -> str:
        """The first 16 digits of the SHA-256 over the wheels' own."""
        return hashlib.sha256("\n".join(sorted(wheel.sha256 for wheel in self.wheels)).encode()).hexdigest()[:16]

    @property
    def path(self) -> str:
        return os.path.join(self.directory, self.id)

    @property
    def contents(self) -> tuple[str, ...]:
        return tuple(sorted(wheel.content for wheel in self.wheels))


@dataclass(frozen=True)
class Runtime:
    """One that is there."""

    id: str
    #: Name and version of what is in it; nothing when it lacks what it is known by.
    contents: tuple[str, ...]
    #: When it was made, in seconds since the epoch.
    made: float
    #: How its files differ from those of its wheels, such as ``edited bin/uv``; of the desired runtime alone.
    damage: tuple[str, ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether more is wrong with it than bytecode of its own, which earlier versions left in theirs."""
        return not self.contents or any(
            not (one.startswith("added ") and "/__pycache__/" in one) for one in self.damage
        )

    def __str__(self) -> str:
        if not self.damage:
            return "%s: %s" % (self.id, ", ".join(self.contents) or "damaged")
        if not self.damaged:
            return "%s: has bytecode of its own, as those of earlier versions do" % self.id
        more = " and %d more" % (len(self.damage) - _NAMED) if len(self.damage) > _NAMED else ""
        return "%s: damaged (%s%s)" % (self.id, ", ".join(self.damage[:_NAMED]), more)


@dataclass(frozen=True)
class State:
    """What the node has."""

    #: By name.
    runtimes: tuple[Runtime, ...] = ()
    #: Names of what interrupted runs left.
    leftovers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What has to happen, in this order: remove, build."""

    remove: tuple[str, ...]
    build: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    #: What is wrong with the desired one.
    damage: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.remove) or self.build

    @property
    def diff(self) -> dict[str, str]:
        return {
            "before": "".join("%s\n" % line for line in self.before),
            "after": "".join(map("%s\n".__mod__, self.after)),
        }


def desired(root: str, wheels: Sequence[Wheel], reason: str) -> Desired:
    """Return the runtime of these wheels, without py-rattler where there is a reason against it."""
    require_normalised("root", root)
    chosen = tuple(wheel for wheel in wheels if not reason or wheel.distribution != RATTLER)
    return Desired(os.path.join(root, "runtime"), chosen)


def reason_against_rattler(python: str) -> str:
    """Return why py-rattler can't run on an interpreter; empty when it can. Starts no process."""
    if not os.access(python, os.X_OK):
        return "%s is not a program" % python
    version = python_version(os.path.dirname(os.path.dirname(python)))
    if not version:
        return "the version of %s is unknown, since no conda distribution has a record of it" % python
    if tuple(map(int, version.split(".")[:2])) < OLDEST_PYTHON:
        return "%s is Python %s, and py-rattler needs %d.%d or newer" % (python, version, *OLDEST_PYTHON)
    return ""


def python_version(prefix: str) -> str:
    """Return the version of a conda distribution's Python as its own record has it; empty without one."""
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "python-[0-9]*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError), open(path, encoding="utf-8") as stream:
            record = json.load(stream)
            if record["name"] == "python" and re.match(r"\d+\.\d+", record["version"]):
                return str(record["version"])
    return ""


def read(directory: str, wanted: str, *, all_hashed: bool = True) -> State:
    """Read which runtimes are there, and verify the ``wanted`` one. Other names are left alone.

    Parameters
    ----------
    all_hashed
        Whether to hash all of its files, since a failing disk leaves size and times as they were; otherwise only those
        that have changed since the runtime was made.
    """
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise EvenkeelError(
            "%s: %s" % (directory, error.strerror), "Remove what is in the way, or choose another root"
        ) from error
    return State(
        tuple(_runtime(directory, name, name == wanted, all_hashed) for name in names if _NAME.fullmatch(name)),
        tuple(name for name in names if _LEFTOVER.fullmatch(name)),
    )


def _runtime(directory: str, name: str, verified: bool, all_hashed: bool) -> Runtime:
    path = os.path.join(directory, name)
    usable = os.access(os.path.join(path, "bin", "uv"), os.X_OK)
    metadata = glob.glob(os.path.join(glob.escape(path), "site-packages", "*.dist-info")) if usable else []
    contents = (os.path.basename(directory)[: -len(".dist-info")].replace("-", " ") for directory in metadata)
    made = os.lstat(path)
    found = damage(path, 0 if all_hashed else made.st_mtime_ns) if verified else ()
    return Runtime(name, tuple(sorted(contents)), made.st_mtime, found)


def damage(path: str, hashed_since: int) -> tuple[str, ...]:
    """Return how the files of a runtime differ from what the RECORD files of its wheels say, sorted.

    Parameters
    ----------
    hashed_since
        Files that have not changed since are not hashed; in nanoseconds since the epoch.
    """
    expected, found = _recorded(path), []
    present = {
        os.path.relpath(os.path.join(folder, name), path) for folder, _unused, names in os.walk(path) for name in names
    }
    found += ["missing %s" % relative for relative in expected.keys() - present]
    found += ["added %s" % relative for relative in present - expected.keys()]
    known = sorted(expected.keys() & present, key=lambda relative: -os.lstat(os.path.join(path, relative)).st_size)
    with ThreadPoolExecutor(2) as pool:
        intact = pool.map(lambda name: _intact(os.path.join(path, name), expected[name], hashed_since), known)
        found += ["edited %s" % relative for relative, good in zip(known, intact) if not good]
    return tuple(sorted(found))


def _recorded(path: str) -> Mapping[str, str]:
    """Return path and SHA-256 of the files that the wheels brought, empty where a RECORD has none, as of itself."""
    files: dict[str, str] = {}
    for record in glob.glob(os.path.join(glob.escape(path), "site-packages", "*.dist-info", "RECORD")):
        with contextlib.suppress(OSError, ValueError, csv.Error, EvenkeelError):
            with open(record, encoding="utf-8", newline="") as stream:
                rows = [row for row in csv.reader(stream) if len(row) == 3]
            for member, signature, _size in rows:
                encoded = signature.partition("sha256=")[2]
                files[place(member)] = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    return files


def _intact(path: str, sha256: str, hashed_since: int) -> bool:
    """Whether a file is what its wheel brought, and root's alone to change."""
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or modes.judge(path, status, os.geteuid()):
            return False
        return not sha256 or status.st_ctime_ns < hashed_since or sha256_of(path) == sha256
    except OSError:
        return False


def plan(state: State, desired: Desired) -> Plan:
    """Keep the desired runtime and the newest other one, which a build of an earlier run may have been made with."""
    found = [runtime for runtime in state.runtimes if runtime.id == desired.id]
    build = [(runtime.contents, runtime.damage) for runtime in found] != [(desired.contents, ())]
    others = sorted((runtime for runtime in state.runtimes if runtime.id != desired.id), key=lambda other: other.made)
    damaged = found if build else []
    wanted = Runtime(desired.id, desired.contents, 0)
    return Plan(
        remove=state.leftovers + tuple(runtime.id for runtime in (*damaged, *others[:-1])),
        build=build,
        before=(*map(str, state.runtimes), *("%s: interrupted" % name for name in state.leftovers)),
        after=tuple(sorted(map(str, (wanted, *others[-1:])))),
        damage=tuple(str(runtime) for runtime in damaged if runtime.damaged),
    )


def apply(plan: Plan, desired: Desired, brought: str, waiting: Callable[[int], None] = lambda seconds: None) -> None:
    """Bring the node to the plan's end; the caller holds a lock.

    Parameters
    ----------
    plan
        What to do.
    desired
        What it was planned for.
    brought
        The directory that holds the wheels, when the plan builds.
    waiting
        Called about every second while the disk is waited for, with the seconds that it has taken.
    """
    try:
        for name in plan.remove:
            _remove(desired.directory, name)
        if plan.build:
            _build(desired, brought, waiting)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(desired.directory) from error
        raise from_os(error, path_of(error) or desired.directory) from error


def _remove(directory: str, name: str) -> None:
    """Remove a runtime such that a killed removal leaves what the next run knows as a leftover."""
    doomed = os.path.join(directory, name)
    if not name.startswith(PARTIAL):
        doomed = os.path.join(directory, PARTIAL + name)
        os.rename(os.path.join(directory, name), doomed)
    shutil.rmtree(doomed)


def _build(desired: Desired, brought: str, waiting: Callable[[int], None]) -> None:
    partial = os.path.join(desired.directory, PARTIAL + desired.id)
    make_directories(partial)
    try:
        for wheel in desired.wheels:
            path = os.path.join(brought, wheel.name)
            require_hash(path, wheel)
            unpack(path, partial)
        os.utime(partial)  # so that a file that changes later is known as such
        sync_file_systems([partial], waiting)
        rename_durably(partial, desired.path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def require_hash(path: str, wheel: Wheel) -> None:
    """Refuse a file that is not the wheel that was promised."""
    actual = sha256_of(path)
    if actual != wheel.sha256:
        raise EvenkeelError(
            "The wheel %s arrived with the SHA-256 %s, not %s" % (wheel.name, actual, wheel.sha256),
            "Nothing was unpacked; run again, and if it stays so, look for a failing disk or connection",
        )


def unpack(wheel: str, target: str) -> None:
    """Unpack a wheel into a runtime, readable for all."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            places = [(entry, place(entry.filename)) for entry in archive.infolist() if not entry.is_dir()]
            for entry, relative in places:
                path = os.path.join(target, relative)
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                with archive.open(entry) as source, open(path, "xb") as stream:
                    shutil.copyfileobj(source, stream, CHUNK_BYTES)
                os.chmod(path, 0o755 if relative.startswith("bin/") else 0o644)
    except zipfile.BadZipFile as error:
        raise EvenkeelError(
            "%s is not a wheel: %s" % (os.path.basename(wheel), error),
            "Remove it from where the control node has it, so that it is fetched again",
        ) from error


def place(member: str) -> str:
    """Return where a runtime has a member of a wheel, relative to the runtime.

    Raises
    ------
    EvenkeelError
        It would be outside, or a runtime has no place for it.
    """
    target, parts = "site-packages", member.split("/")
    if parts[0].endswith(".data"):
        target, parts = _PLACES.get("".join(parts[1:2]), ""), parts[2:]
    if not target or not parts or "\\" in member or not {"", ".", ".."}.isdisjoint(parts):
        raise EvenkeelError(
            "A wheel has the file %r, which a runtime has no place for" % member,
            "Nothing was unpacked from it; fetch the wheels from an index that you trust",
        )
    return "/".join((target, *parts))
