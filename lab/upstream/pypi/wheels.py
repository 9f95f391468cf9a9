# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve and download the wheels of the lab's channel, for Pythons other than the one that runs this.

pip does the resolving and the downloading, with this machine's own pip configuration. It chooses wheel tags for a
foreign Python but evaluates markers for the running one, so its answer is checked against the foreign Python's
markers, and it is asked again for what it left out.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab import cache, locks, paths
from lab.errors import LabError
from lab.files import replace_text
from lab.process import run
from lab.upstream.conda.debian_python import DebianPython

FOLDER = paths.DOWNLOADS / "wheels"
_OLDEST_GLIBC_MINOR = 17
_DOWNLOADS_AT_ONCE = 4
_BATCHES = 16
_PARTIAL = ".partial-"
_REMEDY = "check that pip reaches its index: pip config list, pip download --no-deps pip"


@dataclass(frozen=True)
class Wheel:
    """One wheel of a resolved set.

    Parameters
    ----------
    requires
        ``Requires-Dist`` as the wheel writes it, with markers and extras.
    """

    file_name: str
    sha256: str
    name: str
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""

    @property
    def path(self) -> Path:
        """Where the wheel lies once it is downloaded."""
        return FOLDER / self.sha256[:16] / self.file_name


def marker_environment(python: DebianPython) -> dict[str, str]:
    """Return the values of PEP 508's marker variables for a Python on an x86-64 Debian."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python.full_version,
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python.full_version,
        "python_version": python.version,
        "sys_platform": "linux",
    }


def wanted(requires: Iterable[str], environment: Mapping[str, str], extras: Iterable[str]) -> list[Requirement]:
    """Return those requirements that count in ``environment`` when the given ``extras`` are asked for."""
    with_extras = ["", *extras]
    return [
        requirement
        for requirement in map(Requirement, requires)
        if requirement.marker is None
        or any(requirement.marker.evaluate({**environment, "extra": extra}) for extra in with_extras)
    ]


def closure(
    roots: Sequence[str], wheels: Mapping[str, Wheel], environment: Mapping[str, str]
) -> tuple[dict[str, Wheel], set[str]]:
    """Follow the requirements from ``roots``: return the wheels they reach, and what they ask for in vain."""
    reached: dict[str, Wheel] = {}
    missing: set[str] = set()
    asked: set[tuple[str, str]] = set()
    todo = wanted(roots, environment, ())
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        wheel = wheels.get(name)
        if wheel is None or not requirement.specifier.contains(wheel.version, prereleases=True):
            requirement.marker = None
            missing.add(str(requirement))
            continue
        reached[name] = wheel
        for extra in {"", *requirement.extras}:
            if (name, extra) not in asked:
                asked.add((name, extra))
                todo += wanted(wheel.requires, environment, [extra])
    return reached, missing


def resolve(roots: Sequence[str], python: DebianPython) -> dict[str, Wheel]:
    """Return the wheels, by normalised name, that ``roots`` need on ``python``; the answer is kept."""
    lock = FOLDER / f"{python.release}-{cache.key(python, sorted(roots), Path(__file__))}.json"
    if lock.exists():
        return _wheels(json.loads(lock.read_text()))
    environment = marker_environment(python)
    asked = sorted(roots)
    while True:
        reached, missing = closure(roots, _wheels(_pip_answer(asked, python)), environment)
        if not missing:
            break
        if missing <= set(asked):
            raise LabError(f"no wheels for Python {python.version} satisfy {', '.join(sorted(missing))}", _REMEDY)
        asked = sorted({*asked, *missing})
    replace_text(lock, json.dumps([asdict(wheel) for wheel in reached.values()], indent=1))
    return reached


def download(wheels: Collection[Wheel], python: DebianPython, done: Callable[[int], None]) -> None:
    """Download those ``wheels`` that are not here yet, with hashes checked; ``done`` gets how many are here."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with locks.held("wheels"), ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        for left_by_a_killed_run in FOLDER.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left_by_a_killed_run)
        absent = [wheel for wheel in wheels if not wheel.path.exists()]
        done(len(wheels) - len(absent))
        batches = [absent[start::_BATCHES] for start in range(min(len(absent), _BATCHES))]
        for batch in pool.map(lambda batch: _download(batch, python), batches):
            done(len(batch))


def _download(wheels: Sequence[Wheel], python: DebianPython) -> Sequence[Wheel]:
    with TemporaryDirectory(prefix=_PARTIAL, dir=FOLDER) as scratch:
        pinned = Path(scratch, "requirements.txt")
        pinned.write_text("".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels))
        _pip("download", "--no-deps", "--dest", scratch, *_tags(python), "--requirement", pinned)
        for wheel in wheels:
            wheel.path.parent.mkdir(exist_ok=True)
            Path(scratch, wheel.file_name).rename(wheel.path)
    return wheels


def _pip_answer(requirements: Sequence[str], python: DebianPython) -> list[dict[str, Any]]:
    with TemporaryDirectory() as scratch:
        report = Path(scratch, "report.json")
        nowhere = ("--target", Path(scratch, "nowhere"))
        _pip("install", "--dry-run", "--ignore-installed", *nowhere, "--report", report, *_tags(python), *requirements)
        return [from_report(entry) for entry in json.loads(report.read_text())["install"]]


def from_report(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Wheel out of one entry of pip's installation report."""
    metadata, source = entry["metadata"], entry["download_info"]
    return {
        "file_name": unquote(urlsplit(source["url"]).path).rpartition("/")[2],
        "sha256": source["archive_info"]["hashes"]["sha256"],
        "name": canonicalize_name(metadata["name"]),
        "version": metadata["version"],
        "requires": metadata.get("requires_dist", []),
        "requires_python": metadata.get("requires_python", ""),
    }


def _wheels(documents: Iterable[dict[str, Any]]) -> dict[str, Wheel]:
    return {fields["name"]: Wheel(**fields | {"requires": tuple(fields["requires"])}) for fields in documents}


def _tags(python: DebianPython) -> list[str]:
    _, minor = python.glibc
    platforms = [f"manylinux_2_{number}_x86_64" for number in range(minor, _OLDEST_GLIBC_MINOR - 1, -1)]
    return [
        "--only-binary=:all:",
        f"--python-version={python.full_version}",
        "--implementation=cp",
        *(f"--platform={platform}" for platform in (*platforms, "manylinux2014_x86_64")),
    ]


def _pip(*arguments: str | Path) -> None:
    quiet = ("--quiet", "--quiet", "--no-input", "--disable-pip-version-check")
    run([sys.executable, "-m", "pip", *arguments, *quiet], remedy=_REMEDY)
