# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One complete build of a conda environment, the marker that declares it complete, and what has become of it."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import installed_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    make_directories,
    sha256_of,
    sync_file_systems,
    write_atomically,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

#: Beside conda's own bookkeeping; without a suffix, since conda reads every ``conda-meta/*.json`` as a package.
MARKER = os.path.join("conda-meta", "evenkeel")
PIN = os.path.join("conda-meta", "evenkeel-pin")
FROZEN = os.path.join("conda-meta", "frozen")
#: What conda keeps of an environment beside its packages: the variables that activation sets.
VARIABLES = os.path.join("conda-meta", "state")
#: Of the marker, and of the manifests that Evenkeel keeps beside it.
FORMAT = 3
#: Markers of this format or a later one stand for builds whose permissions were looked through.
_TIGHT_FORMAT = 3
#: Of an origin: where the environments were, if they may be copied or moved; on nodes they are not.
ROOT = "root"
#: The installer of an environment that Evenkeel did not build.
ADOPTED = "adopted"
_WATCHED = tuple(os.path.basename(path) for path in (FROZEN, VARIABLES))
_TELLING = (".dist-info", ".egg-info")
_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(-py[\d.]+)?\.(dist|egg)-info")


@dataclass(frozen=True)
class Generation:
    """One complete build."""

    path: str
    #: The packages that it was built from.
    packages: tuple[Package, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What was asked for before any solve: packages, channels and pip's requirements; None when a lock was.
    request: Mapping[str, Any] | None = None
    #: Grows by one with each build of the environment, whatever the clock says.
    number: int = 0
    #: ISO 8601, in UTC.
    created: str = ""
    #: ``rattler``, ``conda`` or ``adopted``.
    installer: str = ""
    #: Name to SHA-256 of the files in ``conda-meta`` that list the packages; None when the marker does not have them.
    records: Mapping[str, str] | None = None
    #: Names of the directories in ``site-packages`` that name Python's distributions.
    distributions: tuple[str, ...] = ()
    pinned: bool = False
    #: Whether its marker is there and whole.
    marked: bool = True
    #: Whether its files were on the disk before its marker was; earlier versions did not wait for that.
    synced: bool = True
    #: Whether the permissions of its files were looked through, when it was built or later.
    tight: bool = True
    #: Whether users could change its files at some time, whatever was done about it since.
    exposed: bool = False
    #: What the control node said of its source when it was built: the lock with its hash, commit and signer, the places
    #: of the packages, and Evenkeel's version. Empty for builds of earlier versions.
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The name of its directory."""
        return os.path.basename(self.path)

    @property
    def digest(self) -> str:
        """The digest of what it was built from."""
        return digest(self.packages, self.variables)

    @property
    def ours(self) -> bool:
        """Whether Evenkeel built it, and so may remove it."""
        return self.installer != ADOPTED and not self.pinned


@dataclass(frozen=True)
class Contents:
    """What a build holds now."""

    packages: tuple[Package, ...]
    #: What differs from what was built, one line each.
    notes: tuple[str, ...] = ()


def intact(generation: Generation, contents: Contents) -> bool:
    """Whether the build still is what it was built from."""
    return not contents.notes and sorted(contents.packages) == sorted(generation.packages)


def read(path: str) -> Generation | None:
    """Return the complete build at ``path``; None when it was interrupted, since the marker comes last, and whole.

    Raises
    ------
    EvenkeelError
        A newer Evenkeel has built it.
    """
    try:
        with open(os.path.join(path, MARKER), encoding="utf-8") as stream:
            marker = json.load(stream)
        require_known(stream.name, marker, FORMAT)
        return Generation(
            path=path,
            packages=tuple(sorted(from_mapping(fields) for fields in marker["packages"])),
            variables=marker.get("variables") or {},
            request=marker["request"],
            number=marker.get("number", 0),
            created=marker.get("created", ""),
            installer=marker.get("installer", "conda"),
            records=marker.get("records"),
            distributions=tuple(marker.get("distributions") or ()),
            pinned=os.path.exists(os.path.join(path, PIN)),
            synced=bool(marker.get("synced")),
            tight=marker.get("format", 0) >= _TIGHT_FORMAT,
            exposed=bool(marker.get("exposed")),
            origin=dict(marker.get("origin") or {}),
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None


def write(generation: Generation, path: str) -> None:
    """Declare the build at ``path`` complete, as it is now."""
    content = {
        "format": FORMAT,
        "digest": generation.digest,
        "packages": [asdict(package) for package in generation.packages],
        "variables": dict(generation.variables),
        "request": generation.request,
        "number": generation.number,
        "created": generation.created,
        "installer": generation.installer,
        "synced": generation.synced,
        "records": records(path),
        "distributions": list(distributions(path)),
        "origin": dict(generation.origin),
    }
    marker = os.path.join(path, MARKER)
    make_directories(os.path.dirname(marker))
    write_atomically(marker, json.dumps(content, indent=1, sort_keys=True) + "\n")


def mark_tight(path: str, *, exposed: bool) -> None:
    """Note in the marker of the build at ``path`` that its permissions were looked through, and what was found."""
    _mark(path, format=FORMAT, exposed=exposed)


def mark_exposed(path: str) -> None:
    """Note in the marker of the build at ``path`` that users could change its files."""
    _mark(path, exposed=True)


def _mark(path: str, **what: object) -> None:
    marker = os.path.join(path, MARKER)
    with open(marker, encoding="utf-8") as stream:
        content = json.load(stream)
    if not content.get("synced") and not emptied(path):
        sync_file_systems([path])
        content["synced"] = True
    content.update(what)
    write_atomically(marker, json.dumps(content, indent=1, sort_keys=True) + "\n")


def inspect(generation: Generation) -> Contents:
    """Compare the build's own bookkeeping with its marker; fast, since what has not changed is not parsed."""
    if generation.records is None:
        return Contents(installed(generation.path))
    now, then = records(generation.path), generation.records
    found = set(distributions(generation.path))
    added = found - set(generation.distributions)
    if now == then:
        packages = [package for package in generation.packages if package.manager != PIP]
    else:
        packages = list(installed(generation.path))
        added -= listed(generation.path)
    notes = []
    for name in _WATCHED:
        if now.get(name) != then.get(name):
            what = "missing" if name not in now else "added" if name not in then else "edited"
            notes.append("%s conda-meta/%s" % (what, name))
    if not generation.synced and generation.installer != ADOPTED:
        notes += emptied(generation.path)
    packages += [package for package in generation.packages if package.manager == PIP]
    notes += ["missing %s" % name for name in sorted(set(generation.distributions) - found)]
    notes += moved(generation)
    packages += [distribution(name) for name in sorted(added)]
    return Contents(tuple(sorted(packages)), tuple(notes))


def moved(generation: Generation) -> list[str]:
    """Return one line about a build that was made elsewhere: its programs still name that place."""
    made_in = generation.origin.get(ROOT, "")
    if not made_in:
        return []
    root = os.path.dirname(os.path.dirname(os.path.dirname(generation.path)))
    with contextlib.suppress(OSError):
        if os.path.samefile(made_in, root):
            return []
    return ["moved or copied from %s, where it was made" % made_in]


def emptied(prefix: str) -> list[str]:
    """Return one line about files that are empty and were not brought so, as a power cut leaves them."""
    found = installed_files.emptied(prefix)
    more = " and %d more files" % (len(found) - 1) if len(found) > 1 else ""
    return ["emptied %s%s" % (found[0], more)] if found else []


def records(prefix: str) -> dict[str, str]:
    """Return name and SHA-256 of the files in ``conda-meta`` that list what the environment contains."""
    found = {}
    meta = os.path.join(prefix, "conda-meta")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(meta) as entries:
        for entry in entries:
            if entry.name.endswith(".json") or entry.name in _WATCHED:
                found[entry.name] = sha256_of(entry.path)
    return found


def variables(prefix: str) -> dict[str, str]:
    """Return what activating the environment sets, as ``conda env config vars`` keeps it."""
    with (
        contextlib.suppress(FileNotFoundError, ValueError, AttributeError),
        open(os.path.join(prefix, VARIABLES), encoding="utf-8") as stream,
    ):
        found = json.load(stream).get("env_vars") or {}
        return {str(name): str(value) for name, value in found.items()}
    return {}


def distributions(prefix: str) -> tuple[str, ...]:
    """Return the names of the directories that name the Python distributions that are there."""
    found: set[str] = set()
    for directory in glob.glob(os.path.join(glob.escape(prefix), "lib", "python*", "site-packages")):
        found.update(name for name in os.listdir(directory) if name.endswith(_TELLING))
    return tuple(sorted(found))


def distribution(directory: str) -> Package:
    """Return the package of pip that a directory such as ``six-1.17.0.dist-info`` is of."""
    parts = _DISTRIBUTION.fullmatch(directory)
    name, version = (parts["name"], parts["version"]) if parts else (directory.rsplit(".", 1)[0], "")
    return Package(re.sub(r"[-_.]+", "-", name).lower(), version, "", "", PIP)


def otherwise(prefix: str, packages: Iterable[Package]) -> set[str]:
    """Return what a fresh build at ``prefix`` has too much or too little, by the names of its records alone."""
    asked = list(packages)
    meta = os.path.join(prefix, "conda-meta")
    stems = {name[: -len(".json")] for name in os.listdir(meta) if name.endswith(".json")}
    there = {distribution(name).name for name in distributions(prefix)}
    return (stems ^ {package.stem for package in asked if package.manager != PIP}) | (
        {package.name for package in asked if package.manager == PIP} - there
    )


def installed(prefix: str) -> tuple[Package, ...]:
    """Read conda's packages of the environment at ``prefix`` from its records, without starting conda.

    A package whose record can't be understood counts as missing.
    """
    packages = []
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        with open(path, encoding="utf-8") as stream, contextlib.suppress(ValueError, TypeError, KeyError):
            packages.append(from_mapping(json.load(stream)))
    return tuple(sorted(packages))


def foreign(prefix: str) -> tuple[Package, ...]:
    """Return the packages of an environment that somebody else made: conda's, and pip's beside them."""
    pip = sorted(set(distributions(prefix)) - listed(prefix))
    return tuple(sorted((*installed(prefix), *(replace(distribution(name), url=origin(prefix, name)) for name in pip))))


def origin(prefix: str, directory: str) -> str:
    """Return where pip got a distribution from that is of no index, as a requirement names it; empty otherwise."""
    for path in glob.glob(
        os.path.join(glob.escape(prefix), "lib", "python*", "site-packages", glob.escape(directory), "direct_url.json")
    ):
        with (
            open(path, encoding="utf-8") as stream,
            contextlib.suppress(ValueError, TypeError, KeyError, AttributeError),
        ):
            origin = json.load(stream)
            vcs = origin.get("vcs_info")
            return "%s+%s@%s" % (vcs["vcs"], origin["url"], vcs["commit_id"]) if vcs else str(origin["url"])
    return ""


def listed(prefix: str) -> set[str]:
    """Return the names of the directories of Python distributions that conda's records list."""
    found: set[str] = set()
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        with open(path, encoding="utf-8") as stream, contextlib.suppress(ValueError, TypeError, AttributeError):
            files = json.load(stream).get("files") or ()
            found.update(part for file in files for part in file.split("/") if part.endswith(_TELLING))
    return found
