# SPDX-License-Identifier: GPL-3.0-or-later
"""What was recorded of real repositories, by ``make record-reality``, as packages that the lab can build."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.upstream import recorded
from lab.upstream.os_package import OsPackage
from lab.upstream.ubuntu.kernels import Kernel

FOLDER = recorded.FOLDER / "packages"
#: Names that a repository does not have and a node gets from its distribution; others of those are left out.
_OF_NODES = frozenset({"dkms"})
#: What may be in a recipe of packages: these become names of files, and macros of rpmbuild begin with a per cent sign.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*", re.ASCII)
_VERSION = re.compile(r"(?:\d+:)?[A-Za-z0-9][A-Za-z0-9.+~^_-]*", re.ASCII)
_NEED = re.compile(rf"({_NAME.pattern})(?: \((<<|<=|<|=|>|>=|>>) ({_VERSION.pattern})\))?", re.ASCII)
#: What a signed list says of its repository.
_FIELDS = ("Origin", "Label", "Suite", "Codename", "Version")
_ARCHITECTURES = {"apt": ("amd64", "all"), "rpm": ("x86_64", "noarch")}
_WORD = re.compile(r"linux-image-(.+)")
_UNAME = re.compile(r"\d+(?:\.\d+)+-\d+-[a-z0-9]+", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """What was recorded of a repository: drivers or the container toolkit, and CUDA toolkits."""

    packages: list[OsPackage]
    toolkits: list[OsPackage]


def nvidia(name: str, folder: Path = FOLDER) -> Repository | None:
    """Return what a repository of NVIDIA's had, such as ``nvidia/debian12`` or ``container/rpm``.

    Returns
    -------
    Repository or None
        None where that was not recorded.

    Raises
    ------
    LabError
        The record can't be used.
    """
    return recorded.used(folder / f"{name}.json", _repository)


def kernels(release: str, folder: Path = FOLDER) -> tuple[Kernel, ...]:
    """Return the newest kernels that a release of Ubuntu had; none where these were not recorded.

    Raises
    ------
    LabError
        The record can't be used.
    """
    return recorded.used(folder / "kernels" / f"{release}.json", _kernels) or ()


def enterprise_kernel(release: str, folder: Path = FOLDER) -> str:
    """Return the newest kernel that a release of Rocky Linux had, such as ``5.14.0-611.5.1.el9_7``; else nothing.

    Raises
    ------
    LabError
        The record can't be used.
    """
    return recorded.used(folder / "kernels" / f"{release}.json", _enterprise_kernel) or ""


def release_fields(name: str, folder: Path = FOLDER) -> dict[str, str]:
    """Return what the signed list of a repository, such as ``debian12-x86_64``, said of it, by which pins choose.

    Raises
    ------
    LabError
        The record can't be used.
    """
    return recorded.used(_release_files(folder) / f"{name}.json", _fields) or {}


def paths(folder: Path = FOLDER) -> list[Path]:
    """Return the records of packages and, where there are some, those of signed lists."""
    packages = sorted(folder.glob("*/*.json"))
    return [*packages, *sorted(_release_files(folder).glob("*.json"))] if packages else []


def _release_files(folder: Path) -> Path:
    return folder.parent / "data" / "release"


def stand_ins(
    packages: Sequence[OsPackage], recipe: Callable[[str], Iterable[OsPackage]], others: Iterable[OsPackage] = ()
) -> list[OsPackage]:
    """Return recorded packages with the files and scripts that the lab's own have.

    Parameters
    ----------
    recipe
        Returns the lab's packages of a version.
    others
        The lab's packages whose versions do not matter.
    """
    versions = {one.version: _upstream(one.version) for one in packages}
    made = {version: {one.name: one for one in (*others, *recipe(version))} for version in set(versions.values())}
    found = []
    for one in packages:
        own = made[versions[one.version]].get(one.name)
        found.append(replace(one, files=own.files, links=own.links, scripts=own.scripts) if own else one)
    return found


def _repository(data: Mapping[str, Any]) -> Repository:
    kind, parts = data["kind"], ("packages", "toolkits")
    every = [one for part in parts for one in data.get(part, ())]
    known = {name.partition(" ")[0] for one in every for name in (one["name"], *one["provides"])}
    packages, toolkits = ([_package(one, kind, known | _OF_NODES) for one in data.get(part, ())] for part in parts)
    return Repository(packages, toolkits)


def _kernels(data: Mapping[str, Any]) -> tuple[Kernel, ...]:
    metas: dict[tuple[str, str], list[str]] = {}
    for meta, one in data.items():
        word = _WORD.fullmatch(recorded.checked(_NAME, meta, "name of a package"))
        if word:
            for uname in one["releases"]:
                version = recorded.checked(_VERSION, one["version"], "version")
                metas.setdefault((recorded.checked(_UNAME, uname, "release of a kernel"), version), []).append(word[1])
    return tuple(
        Kernel(uname.rpartition("-")[0], uname.rpartition("-")[2], version, tuple(words))
        for (uname, version), words in metas.items()
    )


def _enterprise_kernel(data: Mapping[str, Any]) -> str:
    version = recorded.checked(_VERSION, data["kernel"]["version"], "version")
    return version.partition(":")[2] or version


def _fields(data: Mapping[str, Any]) -> dict[str, str]:
    found = data.get("fields", {})  # of RPM's there are none
    return {
        name: recorded.checked(recorded.LINE, found[name], "field of a list") for name in _FIELDS if found.get(name)
    }


def _package(one: Mapping[str, Any], kind: str, known: set[str]) -> OsPackage:
    groups = [[need for need in group if need.partition(" ")[0] in known] for group in one["depends"]]
    source = recorded.checked(_NAME, one["source"], "name of a package") if one["source"] else ""
    if one["architecture"] not in _ARCHITECTURES[kind]:
        raise ValueError(f"{one['architecture']!r} is no architecture of the lab")
    return OsPackage(
        recorded.checked(_NAME, one["name"], "name of a package"),
        recorded.checked(_VERSION, one["version"], "version"),
        one["architecture"],
        "as it was recorded",
        # RPM's have no alternatives here.
        depends=tuple(" | ".join(_need(need, kind) for need in group) for group in groups if group),
        provides=tuple(_need(provided, kind) for provided in one["provides"]),
        source=source if kind == "apt" and source != one["name"] else "",
    )


def _need(text: str, kind: str) -> str:
    """Return a dependency, or what is provided, as a package format writes it."""
    found = _NEED.fullmatch(recorded.checked(_NEED, text, "dependency"))
    if kind == "apt" or found is None or not found[2]:
        return text
    # Records have the relations of Debian's.
    return f"{found[1]} {found[2].replace('<<', '<').replace('>>', '>')} {found[3]}"


def _upstream(full: str) -> str:
    """Return the software's own version out of a package's."""
    version = full.partition(":")[2] or full
    return version.rpartition("-")[0] or version
