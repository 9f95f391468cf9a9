# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One exact package, and what identifies a set of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

CONDA = "conda"
PIP = "pip"


@dataclass(frozen=True, order=True)
class Package:
    """One exact package of conda or of pip; what is not compared may differ between mirrors and locks."""

    name: str
    version: str
    #: Empty for pip's packages, which have none.
    build: str
    #: Of the archive, in hexadecimal digits; empty only for pip's packages from a commit, which their URL names.
    sha256: str
    #: ``conda`` or ``pip``.
    manager: str = CONDA
    url: str = field(default="", compare=False)
    md5: str = field(default="", compare=False)
    #: Of the archive, in bytes; 0 when unknown.
    size: int = field(default=0, compare=False)
    #: conda's match specifications or pip's requirements.
    depends: tuple[str, ...] = field(default=(), compare=False)
    #: Of pip's packages: the URL of the index that they are pinned to; empty for the configured one.
    index: str = field(default="", compare=False)

    @property
    def identity(self) -> str:
        """The text that goes into the digest."""
        if self.manager == PIP:
            return "pip:%s==%s=%s" % (self.name, self.version, self.sha256 or self.url)
        return "=".join((self.name, self.version, self.build, self.sha256))

    @property
    def stem(self) -> str:
        """The name that conda gives its record, and a cache its folder."""
        return "%s-%s-%s" % (self.name, self.version, self.build)

    @property
    def channel(self) -> str:
        """Where it comes from, in a word: the channel's own name, or ``pip``."""
        if self.manager == PIP:
            return PIP
        parts = self.url.rsplit("/", 3)
        return parts[1] if len(parts) == 4 else ""


def from_mapping(fields: Mapping[str, Any]) -> Package:
    """Return the package that a solve, a lock or a record of conda describes.

    Raises
    ------
    KeyError
        Name, version or, for conda's, build is missing.
    TypeError
        The fields are not a mapping.
    """
    name, version = fields["name"], fields["version"]
    manager = fields.get("manager") or CONDA
    return Package(
        name=name,
        version=version,
        build=fields["build"] if manager == CONDA else "",
        sha256=fields.get("sha256") or "",
        manager=manager,
        url=fields.get("url") or "",
        md5=fields.get("md5") or "",
        size=fields.get("size") or 0,
        depends=tuple(fields.get("depends") or ()),
        index=fields.get("index") or "",
    )


def in_order(packages: Iterable[Package]) -> list[Package]:
    """Return conda's packages so that each comes after those that it depends on; otherwise by name."""
    remaining = {package.name: package for package in sorted(packages)}
    ordered: list[Package] = []

    def add(name: str) -> None:
        package = remaining.pop(name, None)
        if package:
            for needed in package.depends:
                add(needed.split()[0])
            ordered.append(package)

    while remaining:
        add(next(iter(remaining)))
    return ordered


def digest(packages: Iterable[Package], variables: Mapping[str, str] | None = None) -> str:
    """Return the environment's digest, the same on every node with the same packages and variables."""
    lines = sorted(package.identity for package in packages)
    lines += ["variable:%s=%s" % item for item in sorted((variables or {}).items())]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogatepass")).hexdigest()


def changes(before: Iterable[Package], after: Iterable[Package]) -> list[str]:
    """Return one line for each package that comes, goes or changes.

    ``+ numpy 2.4.6 (main)``, ``- six 1.17.0``, ``~ pandas 3.0.0 -> 3.0.1``.
    """
    old = {(package.manager, package.name): package for package in before}
    new = {(package.manager, package.name): package for package in after}
    lines = []
    for key in sorted(old.keys() | new.keys(), key=lambda key: (key[1], key[0])):
        was, now = old.get(key), new.get(key)
        if was is None and now is not None:
            lines.append("+ %s %s%s" % (now.name, now.version, " (%s)" % now.channel if now.channel else ""))
        elif now is None and was is not None:
            lines.append("- %s %s" % (was.name, was.version))
        elif was is not None and now is not None and was != now:
            lines.append("~ %s %s -> %s" % (now.name, *told_apart(was, now)))
    return lines


def told_apart(was: Package, now: Package) -> tuple[str, str]:
    """Return the shortest texts in which two packages of one name differ."""
    if was.version != now.version:
        return was.version, now.version
    if was.build != now.build:
        return "%s %s" % (was.version, was.build), now.build
    return "%s sha256 %s" % (was.version, was.sha256[:12] or "unknown"), now.sha256[:12] or "unknown"
