# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a bundle holds beside packages: the site's commits and files, the collection, and wheels."""

from __future__ import annotations

import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import control
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle.repository import Repository, packed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import COLLECTION
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import control_wheels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import wheels as nodes_wheels
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.control_wheels import Machine

#: Where a site copy has the bare repository, for git over HTTP.
GIT = f"{control.GIT}site.git"
_PYTHON = re.compile(r"(?P<python>3\.\d{1,2})(?:-(?P<machine>x86_64|aarch64))?")
#: Of an installed collection, and of what works with the files of a clone.
_LEFT_OUT = {"__pycache__", ".git", ".venv", "build"}


def machines(asked: Iterable[str], here: Machine) -> list[Machine]:
    """Return the Pythons that control nodes without a network have; without one asked for, that of this one.

    Raises
    ------
    EvenkeelError
        One is written in another way than ``3.12`` or ``3.12-aarch64``.
    """
    found = []
    for text in asked:
        parts = _PYTHON.fullmatch(text)
        if not parts:
            raise EvenkeelError(
                f"bundle_pythons has {text!r}", "Write a version in quotes, such as '3.12', or '3.12-aarch64'"
            )
        found.append(Machine(parts["python"], parts["machine"] or here.machine))
    return found or [here]


def files(
    repository: Repository,
    commit: str,
    pythons: Sequence[Machine],
    platforms: Sequence[str],
    work: Path,
    *,
    wheels: Path | None,
    run_directory: Path,
) -> list[dict[str, Any]]:
    """Return the parts as the module ``site_copy`` takes single files; what is made is in ``work`` afterwards.

    Parameters
    ----------
    platforms
        Of the nodes, which the control node hands some of the wheels.
    wheels
        A directory that has them; None for an index.
    run_directory
        A directory that all workers of this run share.
    """
    work.mkdir(parents=True, exist_ok=True)
    bare = work / "site.git"
    parts = {f"{GIT}/{path.as_posix()}": bare / path for path in repository.publish(bare)}
    parts[control.PROJECT] = _written(work / "project.tar.gz", repository.archive(commit))
    if not repository.has(COLLECTION):
        parts[control.COLLECTION] = _written(work / "collection.tar.gz", _collection(COLLECTION))
    download = partial(control_wheels.download_with_pip, whose="the control node", directory="bundle_wheels")
    for machine in pythons:
        folder = control.wheels_folder(machine.python, machine.machine)
        for wheel in control_wheels.gather(machine, control_wheels.packages(), wheels, run_directory, download):
            parts[f"{folder}{wheel.name}"] = wheel
    for platform in platforms:
        for handed in nodes_wheels.gather(
            nodes_wheels.Source(platform, wheels, run_directory), nodes_wheels.download_with_pip
        ):
            parts[f"{control.WHEELS}{platform}/{handed.path.name}"] = handed.path
    return [_described(path, place) for path, place in sorted(parts.items())]


def draft(work: Path, target: Path) -> Path:
    """Return a folder that may be changed in place of ``work``, with what is kept from bundle to bundle."""
    if (work / "site.git").is_dir():
        shutil.copytree(work / "site.git", target / "site.git")
    return target


def _described(path: str, place: Path) -> dict[str, Any]:
    absolute = place.absolute()
    return {
        "path": path,
        "url": absolute.as_uri(),
        "sha256": sha256_of(str(absolute)),
        "size": absolute.stat().st_size,
    }


def _written(place: Path, content: bytes) -> Path:
    place.write_bytes(content)
    return place


def _collection(folder: Path) -> bytes:
    """Return an installed collection as a ``.tar.gz``, the same bytes each time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _of_collection(folder):
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as stream:
                tar.addfile(member, stream)
    return packed(out.getvalue())


def _of_collection(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        yield from (Path(place, name) for name in sorted(names) if not name.endswith(".pyc"))
