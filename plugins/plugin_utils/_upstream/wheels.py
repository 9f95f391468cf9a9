# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The wheels that the control node hands over, found or fetched once for all nodes of a platform."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import pip_download

with optional():
    from packaging.tags import Tag
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import Version

DISTRIBUTIONS = ("py-rattler", "uv")
#: One wheel serves every Python from 3.10 on; no supported system has an older C library than the newest of these.
PYTHON, ABI = "3.10", "abi3"
C_LIBRARIES = ("manylinux_2_17", "manylinux2014", "manylinux_2_28")
LOCK_SECONDS = 1800

Download = Callable[[str, Mapping[str, str], Path], None]


@dataclass(frozen=True)
class Wheel:
    """A wheel on the control node."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where the wheels of one platform come from."""

    platform: str
    #: The directory that has them; None for an index, with the cache before it.
    directory: Path | None
    #: A directory that all workers of this run share and that goes with the run.
    run_directory: Path

    @property
    def place(self) -> Path:
        return self.directory or cache() / self.platform

    @property
    def answer(self) -> Path:
        key = hashlib.sha256(os.fsencode(self.place)).hexdigest()[:16]
        return self.run_directory / f"wheels-{self.platform}-{key}.json"


def cache() -> Path:
    """Return where wheels are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evenkeel" / "wheels"


def at_hand(source: Source) -> list[Wheel] | None:
    """Return the wheels that need no fetching; None unless all are there."""
    return _answered(source, None)


def gather(source: Source, download: Download) -> list[Wheel]:
    """Return the wheels; the first of Ansible's workers to ask fetches what is missing, the others wait for it.

    Raises
    ------
    EvenkeelError
        The directory does not have them, or the index; remembered for all workers, without another try.
    """
    return _answered(source, download) or []


def _answered(source: Source, download: Download | None) -> list[Wheel] | None:
    found = computed_once(source.answer, lambda: _with_hashes(_found(source, download)))
    return None if found is None else [Wheel(Path(path), sha256) for path, sha256 in found]


def _with_hashes(paths: list[Path] | None) -> list[tuple[str, str]] | None:
    return None if paths is None else [(str(path), sha256_of(str(path))) for path in paths]


def _found(source: Source, download: Download | None) -> list[Path] | None:
    versions = installed_versions()
    found = _whole(source, versions)
    if len(found) < len(versions) and download:
        if source.directory:
            lacking = ", ".join(f"{name} {version}" for name, version in versions.items() if name not in found)
            raise EvenkeelError(
                f"The directory {source.directory} has no wheel of {lacking} for {source.platform}",
                "Put it there, or leave the option wheels out where the control node reaches an index",
            )
        _fetch(source, versions, download)
        found = _whole(source, versions)
    return list(found.values()) if len(found) == len(versions) else None


def _whole(source: Source, versions: Mapping[str, str]) -> dict[str, Path]:
    """Return the wheels that are there; what a crash has cut short in the cache is fetched again."""
    found = find(source.place, source.platform, versions)
    return {name: path for name, path in found.items() if source.directory or zipfile.is_zipfile(path)}


def _fetch(source: Source, versions: Mapping[str, str], download: Download) -> None:
    partial = source.place / ".partial"
    try:
        with held(str(source.place.parent / "locks" / source.place.name), LOCK_SECONDS):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            download(source.platform, versions, partial)
            for wheel in partial.iterdir():
                wheel.rename(source.place / wheel.name)
            partial.rmdir()
    except OSError as error:
        raise EvenkeelError(
            f"The wheels can't be kept in {source.place}: {path_of(error)}: {error.strerror}",
            f"{way_out(error, path_of(error))}, or name another cache directory with XDG_CACHE_HOME",
        ) from error


def installed_versions() -> dict[str, str]:
    """Return name and version of what the control node has installed, which the nodes get."""
    return {name: importlib.metadata.version(name) for name in DISTRIBUTIONS}


def find(directory: Path, platform: str, versions: Mapping[str, str]) -> dict[str, Path]:
    """Return by name those wheels of ``directory`` that are of these versions and run on the platform."""
    fitting = {Tag(*tags, system) for system in systems(platform) for tags in (("cp310", ABI), ("py3", "none"))}
    found = {}
    for path in sorted(directory.glob("*.whl")):
        with contextlib.suppress(InvalidWheelFilename):
            name, version, _unused, tags = parse_wheel_filename(path.name)
            if name in versions and version == Version(versions[name]) and not fitting.isdisjoint(tags):
                found[str(name)] = path
    return found


def systems(platform: str) -> list[str]:
    """Return the names that wheels have for conda's platform, such as ``manylinux_2_17_x86_64``."""
    machine = next(machine for machine, name in PLATFORMS.items() if name == platform)
    return [f"{c_library}_{machine}" for c_library in C_LIBRARIES]


def download_with_pip(platform: str, versions: Mapping[str, str], target: Path) -> None:
    """Fetch wheels into ``target`` from wherever the control node's pip is configured to."""
    wanted = " and ".join(f"{name} {version}" for name, version in versions.items())
    pip_download.download(
        versions,
        target,
        python=PYTHON,
        abis=[ABI],
        systems=systems(platform),
        what=f"{wanted} for {platform}",
        directory="the option wheels",
    )
