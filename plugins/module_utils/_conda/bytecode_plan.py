# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What is done for the bytecode of an environment: decided from what the cache has and what the packages brought.

The bytecode depends neither on the sources' times nor on the prefix (PEP 552, unchecked hash), so that of a package is
compiled once and hardlinked, unless a file holds the prefix or two packages claim its path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import InstalledFile
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package


class Python(NamedTuple):
    """The Python of an environment, as far as bytecode depends on it."""

    #: As in the names of bytecode files: ``cpython-311``.
    tag: str
    #: Relative to the prefix; whatever can be imported is below.
    library: str


class Source(NamedTuple):
    """One file to compile."""

    #: Relative to the prefix.
    path: str
    #: SHA-256 that the content must have; empty when unknown.
    sha256: str
    #: In bytes.
    size: int


@dataclass(frozen=True)
class Sources:
    """What there is to compile of one package."""

    #: The same in every environment.
    shared: tuple[Source, ...] = ()
    #: Those that hold the prefix.
    rewritten: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Index:
    """What the cache has of one package; sources that do not compile are not in it."""

    #: Path below a prefix to SHA-256.
    bytecode: Mapping[str, str]
    rewritten: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is linked, what is compiled for the cache, and what is compiled for this environment alone."""

    #: Of each package in the cache: path of the bytecode below a prefix to SHA-256.
    link: Mapping[Package, Mapping[str, str]] = field(default_factory=dict)
    #: Packages that the cache gets, with their sources.
    store: Mapping[Package, Sources] = field(default_factory=dict)
    alone: tuple[Source, ...] = ()


def python_of(packages: Iterable[Package]) -> Python | None:
    """Return what an environment of these packages runs; None where bytecode can't be made that is never stale.

    That takes CPython 3.7; builds without the global interpreter lock have other paths and are left alone.
    """
    for package in packages:
        parts = re.match(r"3\.(\d+)", package.version)
        if package.name == "python" and package.manager != PIP and parts and int(parts[1]) >= 7:
            if "pypy" in package.build or re.search(r"_cp\d+t", package.build):
                return None
            return Python("cpython-3%s" % parts[1], "lib/python3.%s" % parts[1])
    return None


def bytecode_of(source: str, tag: str) -> str:
    """Return where Python looks for the bytecode of ``source``."""
    directory, _unused, name = source.rpartition("/")
    return "%s/__pycache__/%s.%s.pyc" % (directory, name[: -len(".py")], tag)


def source_of(bytecode: str) -> str:
    """Return whose bytecode it is."""
    directory, _unused, name = bytecode.rpartition("/__pycache__/")
    return "%s/%s.py" % (directory, name.rsplit(".", 2)[0])


def is_bytecode(path: str, python: Python) -> bool:
    """Return whether a path below a prefix is one where this Python looks for bytecode.

    >>> python = Python("cpython-311", "lib/python3.11")
    >>> is_bytecode("lib/python3.11/__pycache__/os.cpython-311.pyc", python)
    True
    >>> is_bytecode("lib/python3.11/../../__pycache__/os.cpython-311.pyc", python)
    False
    """
    source = source_of(path)
    return (
        path.startswith(python.library + "/")
        and path == bytecode_of(source, python.tag)
        and not {"", ".", ".."} & set(path.split("/"))
        and "\\" not in path
    )


def fits(bytecode: Iterable[str], sources: Sources, python: Python) -> bool:
    """Return whether paths of bytecode are those of the sources that a package brings to every environment alike."""
    return set(bytecode) == {bytecode_of(source.path, python.tag) for source in sources.shared}


def sources_of(files: Iterable[InstalledFile], python: Python) -> Sources:
    """Return what to compile of a package; pure."""
    files = list(files)
    brought = {file.path for file in files if not file.compiled}
    shared, rewritten = [], []
    for file in files:
        if not file.path.startswith(python.library + "/") or not file.path.endswith(".py") or file.link:
            continue
        if bytecode_of(file.path, python.tag) in brought:
            continue
        if file.rewritten:
            rewritten.append(Source(file.path, "", file.size))
        else:
            shared.append(Source(file.path, file.sha256, file.size))
    return Sources(tuple(shared), tuple(rewritten))


def _claims(indexes: Iterable[Index], fresh: Iterable[Sources], python: Python) -> Counter[str]:
    """Return how many packages want each path of bytecode; pure."""
    claims: Counter[str] = Counter()
    for index in indexes:
        claims.update((*index.bytecode, *(bytecode_of(path, python.tag) for path in index.rewritten)))
    for sources in fresh:
        claims.update(bytecode_of(source.path, python.tag) for source in (*sources.shared, *sources.rewritten))
    return claims


def plan(cached: Mapping[Package, Index], fresh: Mapping[Package, Sources], python: Python) -> Plan:
    """Decide how an environment gets its bytecode; pure.

    A path that two packages claim has the source of only one of them, so its bytecode is made from what is there.

    Parameters
    ----------
    cached
        What the cache has.
    fresh
        What there is to compile of the packages that it does not have.
    """
    claims = _claims(cached.values(), fresh.values(), python)
    alone: dict[str, Source] = {}
    for index in cached.values():
        contested = [source_of(path) for path in index.bytecode if claims[path] > 1]
        alone.update((path, Source(path, "", 0)) for path in (*index.rewritten, *contested))
    store = {}
    for package, sources in fresh.items():
        alone.update((source.path, source) for source in sources.rewritten)
        uncontested = all(claims[bytecode_of(source.path, python.tag)] == 1 for source in sources.shared)
        if package.sha256 and uncontested:
            store[package] = sources
        else:
            alone.update((source.path, source._replace(sha256="")) for source in sources.shared)
    link = {
        package: {path: sha256 for path, sha256 in index.bytecode.items() if claims[path] == 1}
        for package, index in cached.items()
    }
    return Plan(link, store, tuple(alone.values()))
