# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How an environment, made by Evenkeel or by any conda and pip, differs from a lock."""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, digest, told_apart
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import verify_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.locked import Locked

EQUAL, DIFFERS, UNKNOWN = "equal", "differs", "unknown"


@dataclass(frozen=True)
class Holding:
    """What an environment holds."""

    packages: tuple[Package, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What its own bookkeeping says has changed besides.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """How an environment differs; all lines are sorted."""

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    #: Variables that activation sets otherwise, or does not set.
    variables: tuple[str, ...] = ()
    #: Files that are not as their packages brought them.
    files: tuple[str, ...] = ()
    #: Packages that have the name and the version of the lock's, and whose installer kept no hash.
    unhashed: tuple[str, ...] = ()
    #: The environment's digest; empty where a hash is not known.
    digest: str = ""

    @property
    def state(self) -> str:
        if self.missing or self.extra or self.changed or self.variables or self.files:
            return DIFFERS
        return UNKNOWN if self.unhashed else EQUAL

    def lines(self) -> list[str]:
        """Return one line for each difference."""
        return [
            *("- %s" % line for line in self.missing),
            *("+ %s" % line for line in self.extra),
            *("~ %s" % line for line in (*self.changed, *self.variables, *self.files)),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return it with its state, as JSON has it."""
        return {"state": self.state, **asdict(self)}


def compare(locked: Locked, prefix: str, *, files: bool) -> Difference:
    """Compare the environment at ``prefix`` with a lock.

    Parameters
    ----------
    files
        Whether each file is hashed, too.

    Raises
    ------
    EvenkeelError
        There is no environment, or it can't be read.
    """
    place = os.path.realpath(prefix)
    if not os.path.isdir(os.path.join(place, "conda-meta")):
        raise EvenkeelError(
            "%s is not an environment: it has no conda-meta" % prefix,
            "Build it with evenkeel env sync, or name another one with --prefix",
        )
    holding = read(place)
    changed = verify_files(place).lines() if files else ()
    return between(locked.packages, locked.variables, holding, changed)


def origin(prefix: str) -> dict[str, Any]:
    """Return what a build has recorded of where it comes from; nothing where something else has built it."""
    made = generations.read(os.path.realpath(prefix))
    if made is None:
        return {}
    return {name: value for name, value in {**made.origin, "built": made.created}.items() if name != generations.ROOT}


def read(prefix: str) -> Holding:
    """Return what an environment holds; what Evenkeel built knows the hashes of pip's packages too."""
    generation = generations.read(prefix)
    if generation is None:
        hashes = archives(prefix)
        packages = (
            replace(package, sha256=hashes.get(package.name, "")) if package.manager == PIP else package
            for package in generations.foreign(prefix)
        )
        return Holding(tuple(packages), generations.variables(prefix))
    contents = generations.inspect(generation)
    return Holding(contents.packages, generations.variables(prefix), contents.notes)


def archives(prefix: str) -> dict[str, str]:
    """Return by name the SHA-256 of the archives that pip or uv installed from a URL (PEP 610)."""
    found = {}
    for path in glob.glob(
        os.path.join(glob.escape(prefix), "lib", "python3*", "site-packages", "*", "direct_url.json")
    ):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            with open(path, encoding="utf-8") as stream:
                archive = json.load(stream)["archive_info"]
            old = archive.get("hash", "").partition("sha256=")[2]
            name = generations.distribution(os.path.basename(os.path.dirname(path))).name
            found[name] = str((archive.get("hashes") or {}).get("sha256") or old)
    return found


def between(
    wanted: Iterable[Package], variables: Mapping[str, str], holding: Holding, files: Iterable[str] = ()
) -> Difference:
    """Compare; pure."""
    asked = {(package.manager, package.name): package for package in wanted}
    found = {(package.manager, package.name): package for package in holding.packages}
    changed, unhashed, held = [], [], []
    for key, there in found.items():
        package = asked.get(key)
        same = package is not None and _same(package, there)
        if package is not None and not same:
            changed.append("%s %s -> %s" % (package.name, *told_apart(package, there)))
        if package is not None and same and not (there.sha256 or there.md5):
            unhashed.append(_shown(there))
        held.append(package if package is not None and same else there)
    return Difference(
        missing=tuple(sorted(_shown(asked[key]) for key in asked.keys() - found.keys())),
        extra=tuple(sorted(_shown(found[key]) for key in found.keys() - asked.keys())),
        changed=tuple(sorted(changed)),
        variables=tuple(_variables(variables, holding.variables)),
        files=tuple(sorted({*holding.notes, *files})),
        unhashed=tuple(sorted(unhashed)),
        digest="" if unhashed else digest(held, holding.variables),
    )


def _same(wanted: Package, there: Package) -> bool:
    """Return whether a package is the one of the lock, as far as is known; a hash that is known has to be the same."""
    if (wanted.version, wanted.build) != (there.version, there.build):
        return False
    known = [(wanted.sha256, there.sha256), (wanted.md5, there.md5)]
    return all(one == other for one, other in known if one and other)


def _variables(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    lines = []
    for name in sorted(wanted.keys() | there.keys()):
        if name not in there:
            lines.append("variable %s is not set" % name)
        elif name not in wanted:
            lines.append("variable %s is set" % name)
        elif wanted[name] != there[name]:
            lines.append("variable %s has another value" % name)
    return lines


def _shown(package: Package) -> str:
    build = "pip" if package.manager == PIP else package.build
    return "%s %s (%s)" % (package.name, package.version, build)
