# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The wheels of a control node's environment: what this control node has, for the Python of another machine."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import FILE, optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import pip_download
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.wheels import (
    C_LIBRARIES,
    LOCK_SECONDS,
    cache,
)

with optional():
    from packaging.requirements import Requirement
    from packaging.tags import Tag, compatible_tags, cpython_tags
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import Version

Download = Callable[["Machine", Mapping[str, str], Path], None]


@dataclass(frozen=True)
class Machine:
    """What wheels have to fit.

    Parameters
    ----------
    python
        Such as ``3.11``.
    machine
        The kernel's name of the machine, such as ``x86_64``.
    """

    python: str
    machine: str

    @property
    def systems(self) -> list[str]:
        return [f"{c_library}_{self.machine}" for c_library in C_LIBRARIES]

    @property
    def tags(self) -> set[Tag]:
        """All tags that a fitting wheel can have."""
        version = tuple(map(int, self.python.split(".")))
        interpreter = f"cp{self.python.replace('.', '')}"
        own = cpython_tags(version, platforms=self.systems)
        return {*own, *compatible_tags(version, interpreter, self.systems)}


def packages() -> dict[str, str]:
    """Return name and version of what the collection needs on a control node, as it is installed on this one.

    Raises
    ------
    EvenkeelError
        Something is installed in another version than the collection needs.
    """
    found: dict[str, str] = {}
    lines = [line.partition("#")[0].strip() for line in FILE.read_text().splitlines()]
    todo = [Requirement(line) for line in ["ansible-core", *filter(None, lines)]]
    while todo:
        requirement = todo.pop()
        name = str(canonicalize_name(requirement.name))
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            raise EvenkeelError(
                f"The control node lacks {requirement}", f"Run {sys.executable} -m pip install -r {FILE} there"
            ) from None
        if not requirement.specifier.contains(distribution.version, prereleases=True):
            raise EvenkeelError(
                f"The control node has {name} {distribution.version}, and the collection needs {requirement}",
                f"Run {sys.executable} -m pip install -r {FILE} there. Where that is a node that pulls, run the role "
                "pull_agent from a control node that has it",
            )
        found[name] = distribution.version
        todo += map(Requirement, distribution.requires or ())
    return found


def gather(
    machine: Machine, wanted: Mapping[str, str], directory: Path | None, run_directory: Path, download: Download
) -> list[Path]:
    """Return the wheels; the first of Ansible's workers to ask fetches what is missing, the others wait for it.

    Parameters
    ----------
    directory
        The directory that has them; None for an index, with a cache before it.
    run_directory
        A directory that all workers of this run share.

    Raises
    ------
    EvenkeelError
        The directory does not have them, or the index.
    """
    place = directory or cache() / f"control-{machine.machine}-{machine.python}"
    key = hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
    found = computed_once(
        run_directory / f"control-wheels-{machine.python}-{key}.json",
        lambda: [str(path) for path in _found(machine, wanted, directory, place, download)],
    )
    return [Path(path) for path in found]


def _found(
    machine: Machine, wanted: Mapping[str, str], directory: Path | None, place: Path, download: Download
) -> list[Path]:
    found = find(place, machine, wanted)
    lacking = {name: version for name, version in wanted.items() if name not in found}
    if lacking and directory:
        names = ", ".join(f"{name} {version}" for name, version in lacking.items())
        raise EvenkeelError(
            f"The directory {directory} has no wheel of {names} for Python {machine.python} on {machine.machine}",
            "Put it there, or name no directory where the control node reaches an index",
        )
    if lacking:
        _fetch(machine, lacking, place, download)
        found = find(place, machine, wanted)
    return sorted(found.values())


def _fetch(machine: Machine, lacking: Mapping[str, str], place: Path, download: Download) -> None:
    partial = place / ".partial"
    try:
        with held(str(place.parent / "locks" / place.name), LOCK_SECONDS):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            download(machine, lacking, partial)
            for wheel in partial.iterdir():
                wheel.rename(place / wheel.name)
            partial.rmdir()
    except OSError as error:
        raise EvenkeelError(
            f"The wheels can't be kept in {place}: {path_of(error)}: {error.strerror}",
            f"{way_out(error, path_of(error))}, or name another cache directory with XDG_CACHE_HOME",
        ) from error


def find(directory: Path, machine: Machine, wanted: Mapping[str, str]) -> dict[str, Path]:
    """Return by name those wheels of a directory that are of these versions, fit the machine, and are whole."""
    fitting = machine.tags
    found = {}
    for path in sorted(directory.glob("*.whl")):
        with contextlib.suppress(InvalidWheelFilename):
            name, version, _unused, tags = parse_wheel_filename(path.name)
            right = name in wanted and version == Version(wanted[name]) and not fitting.isdisjoint(tags)
            if right and zipfile.is_zipfile(path):
                found[str(name)] = path
    return found


def download_with_pip(
    machine: Machine,
    wanted: Mapping[str, str],
    target: Path,
    *,
    whose: str = "the pull agent",
    directory: str = "pull_agent_wheels",
) -> None:
    """Fetch wheels into ``target`` from the index that the control node's pip is configured to.

    Parameters
    ----------
    whose
        For messages: what they are for.
    directory
        For messages: what names a directory that has the wheels.

    Raises
    ------
    EvenkeelError
        pip could not.
    """
    pip_download.download(
        wanted,
        target,
        python=machine.python,
        abis=[f"cp{machine.python.replace('.', '')}", "abi3", "none"],
        systems=machine.systems,
        what=f"the wheels of {whose} for Python {machine.python} on {machine.machine}",
        directory=directory,
    )
