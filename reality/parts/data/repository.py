# SPDX-License-Identifier: GPL-3.0-or-later
"""What a repository of packages holds now: its lists, checked by hash, and its signature."""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import apt_lists, rpm_lists, signatures
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.listed import OPENERS

from reality.claims import SkippedError
from reality.reach import MIB, RefusedError
from reality.world import World

_UPSTREAM = re.compile(r"(?:\d+:)?([^-]+)")
_NUMBER = re.compile(r"\d+")
#: Of a list; the longest of NVIDIA's has some 20 MiB, and a tenth of that in its packed form.
_MOST_BYTES = 64 * MIB
_MOST_PACKED = 16 * MIB


@dataclass(frozen=True)
class Place:
    """A repository without suites, as modules take it, and the architecture of its packages."""

    kind: str
    url: str
    key_url: str
    key_sha256: str
    key_member: str
    architecture: str
    #: How claims name it.
    name: str

    @classmethod
    def of(cls, repository: Mapping[str, Any], architecture: str, name: str) -> Place:
        """Return that of a module's option ``repository``."""
        return cls(
            repository["kind"],
            repository["url"],
            repository["key_url"],
            repository["key_sha256"],
            repository["key_member"],
            architecture,
            name,
        )

    @property
    def index(self) -> str:
        """Its signed list."""
        return f"{self.url}{'InRelease' if self.kind == 'apt' else 'repodata/repomd.xml'}"


@dataclass(frozen=True)
class Contents:
    """The packages of a repository."""

    #: By name, all versions as the distribution writes them.
    versions: Mapping[str, frozenset[str]]
    #: By name, and version without epoch and revision, the driver that a package asks for.
    drivers: Mapping[tuple[str, str], str]

    def upstream(self, name: str) -> set[str]:
        """Return a package's versions without epoch and revision."""
        return {upstream(version) for version in self.versions.get(name, ())}


def upstream(version: str) -> str:
    """Return a version without epoch and revision.

    >>> upstream("3:580.178.04-1.el9"), upstream("570.26")
    ('580.178.04', '570.26')
    """
    found = _UPSTREAM.match(version)
    return found[1] if found else version


def order(version: str) -> tuple[int, ...]:
    """Return what versions of NVIDIA are compared by."""
    return tuple(map(int, _NUMBER.findall(version)))


def contents(place: Place, world: World) -> Contents:
    """Return what a repository holds; it is fetched once for all claims."""
    return world.once(place.url, lambda: _contents(place, packages(place, world)))


def require_signed(place: Place, world: World) -> None:
    """Refuse lists that are not signed by the repository's key.

    Raises
    ------
    EvenkeelError
        They are not.
    SkippedError
        This machine has no program that can tell.
    """
    why = signatures.unchecked(place.key_url, place.key_member)
    if why:
        raise SkippedError(f"{why}: install gpgv and dpkg")
    with tempfile.TemporaryDirectory(prefix="evenkeel-reality-") as folder:
        key, listed, signature = (Path(folder) / name for name in ("key", "index", "signature"))
        key.write_bytes(world.reach.get(world.at(place.key_url), MIB).content)
        listed.write_bytes(index(place, world))
        if place.kind == "rpm":
            signature.write_bytes(world.reach.get(world.at(f"{place.index}.asc"), MIB).content)
        signed_by = str(signature) if place.kind == "rpm" else ""
        signatures.require_signed(place.index, str(listed), signed_by, str(key), place.key_member)


def index(place: Place, world: World) -> bytes:
    """Return a repository's signed list."""
    return world.once(place.index, lambda: world.reach.get(world.at(place.index), 16 * MIB).content)


def packages(place: Place, world: World) -> Iterable[Package]:
    """Yield what a repository holds, by its lists as they are now.

    Raises
    ------
    EvenkeelError
        They are not the ones that its signed list names.
    """
    content = index(place, world)
    if place.kind == "rpm":
        entry = next(one for one in rpm_lists.parse_repomd(content, place.index) if one.kind == "primary")
        content = _list(f"{place.url}{entry.path}", entry.algorithm, entry.digest, world)
        return rpm_lists.packages(io.BytesIO(content), place.url, place.architecture, place.index)
    release = apt_lists.parse_release(content.decode("utf-8", "replace"), place.index)
    names = [f"Packages{ending}" for ending in OPENERS if f"Packages{ending}" in release.entries]
    if not names:
        raise EvenkeelError(f"{place.index} names no list of packages that Python reads", "Check the upstream")
    for name in names:
        listed = release.entries[name]
        kind = next(kind for kind in apt_lists.HASHES if kind in listed.hashes)
        try:
            content = _list(f"{place.url}{name}", apt_lists.HASHES[kind], listed.hashes[kind], world)
        except RefusedError:
            if name == names[-1]:
                raise
            continue
        lines = (line.rstrip("\n") for line in io.TextIOWrapper(io.BytesIO(content), "utf-8", "replace"))
        return apt_lists.packages(lines, place.url, place.architecture)
    raise AssertionError("the last name has been fetched, or has raised its error")


def _list(url: str, algorithm: str, digest: str, world: World) -> bytes:
    """Return a list, unpacked.

    Raises
    ------
    EvenkeelError
        It is not the one that the signed list names, or no such list.
    """
    content = world.reach.get(world.at(url), _MOST_PACKED).content
    found = hashlib.new(algorithm, content).hexdigest()
    if found != digest:
        raise EvenkeelError(
            f"{url} is not the list that its repository names: its {algorithm} is {found}, and not {digest}",
            "Ask again later, when the repository is whole",
        )
    ending = "." + url.rpartition(".")[2]
    opener = OPENERS.get(ending if ending in (".xz", ".gz", ".bz2") else "")
    if opener is None:
        raise EvenkeelError(f"{url} is compressed in a form that Python does not read", "Check the upstream")
    with tempfile.NamedTemporaryFile(prefix="evenkeel-reality-") as file:
        file.write(content)
        file.flush()
        try:
            with opener(file.name) as stream:
                unpacked = stream.read(_MOST_BYTES + 1)
        except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
            raise EvenkeelError(f"{url} can't be unpacked: {error}", "Check the upstream") from error
    if len(unpacked) > _MOST_BYTES:
        raise EvenkeelError(f"{url} has more than {_MOST_BYTES // MIB} MiB unpacked", "Check the upstream")
    return unpacked


def _contents(place: Place, listed: Iterable[Package]) -> Contents:
    versions: dict[str, set[str]] = {}
    drivers = {}
    for one in listed:
        versions.setdefault(one.name, set()).add(one.version)
        if one.name.startswith("cuda-"):
            for need in (need for alternatives in one.depends for need in alternatives):
                if need.name in ("cuda-drivers", "nvidia-open") and need.relation == ">=":
                    drivers[one.name, upstream(one.version)] = upstream(need.version)
    if not versions:
        raise EvenkeelError(f"{place.index} lists no package for {place.architecture}", "Check the upstream")
    return Contents({name: frozenset(found) for name, found in versions.items()}, drivers)
