# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded of real repositories, by ``make record-reality``, as packages that the lab can build."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.upstream import recorded
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu.kernels import Kernel

FOLDER = recorded.FOLDER / "packages"
#: Names that a repository does not have and a node gets from its distribution; others of those are left out.
_OF_NODES = frozenset({"dkms"})
_NEED = re.compile(r"(\S+)(?: \((\S+) (\S+)\))?")
_WORD = re.compile(r"linux-image-(.+)")


def nvidia(repository: str, folder: Path = FOLDER) -> list[OsPackage] | None:
    """Return what NVIDIA's repository had, such as ``debian12`` or ``rhel9``; None where that was not recorded.

    Raises
    ------
    LabError
        The record can't be used.
    """
    found = _read(folder / "nvidia" / f"{repository}.json")
    if found is None:
        return None
    known = {name for one in found["packages"] for name in (one["name"], *one["provides"])} | _OF_NODES
    return [_package(one, found["kind"], known) for one in found["packages"]]


def kernels(release: str, folder: Path = FOLDER) -> tuple[Kernel, ...]:
    """Return the newest kernels that a release of Ubuntu had; none where these were not recorded.

    Raises
    ------
    LabError
        The record can't be used.
    """
    metas: dict[tuple[str, str], list[str]] = {}
    for meta, one in (_read(folder / "kernels" / f"{release}.json") or {}).items():
        word = _WORD.fullmatch(meta)
        if word:
            for uname in one["releases"]:
                metas.setdefault((uname, one["version"]), []).append(word[1])
    return tuple(
        Kernel(uname.rpartition("-")[0], uname.rpartition("-")[2], version, tuple(words))
        for (uname, version), words in metas.items()
    )


def paths(folder: Path = FOLDER) -> list[Path]:
    """Return the records that there are."""
    return sorted(folder.glob("*/*.json"))


def stand_ins(packages: Sequence[OsPackage], recipe: Callable[[str], Iterable[OsPackage]]) -> list[OsPackage]:
    """Return recorded packages with the files and scripts that the lab's own have.

    Parameters
    ----------
    recipe
        Returns the lab's packages of a version of the driver.
    """
    versions = {one.version: _upstream(one.version) for one in packages}
    made = {version: {one.name: one for one in recipe(version)} for version in set(versions.values())}
    found = []
    for one in packages:
        own = made[versions[one.version]].get(one.name)
        found.append(replace(one, files=own.files, links=own.links, scripts=own.scripts) if own else one)
    return found


def _read(path: Path) -> Any:
    return recorded.read(path)["data"] if path.exists() else None


def _package(one: Mapping[str, Any], kind: str, known: set[str]) -> OsPackage:
    needs = [[_need(need, kind) for need in group if need.partition(" ")[0] in known] for group in one["depends"]]
    return OsPackage(
        one["name"],
        one["version"],
        one["architecture"],
        "as it was recorded",
        depends=tuple(" | ".join(group) for group in needs if group),
        provides=tuple(one["provides"]),
        source=one["source"] if kind == "apt" and one["source"] != one["name"] else "",
    )


def _need(text: str, kind: str) -> str:
    """Return a dependency as a package format writes it; RPM's have no alternatives here."""
    found = _NEED.fullmatch(text)
    if kind == "apt" or found is None or not found[2]:
        return text
    return f"{found[1]} {found[2]} {found[3]}"


def _upstream(full: str) -> str:
    """Return the software's own version out of a package's."""
    version = full.partition(":")[2] or full
    return version.rpartition("-")[0] or version
