# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Packages with all that they depend on, as a package manager would choose them on a node that has none of them.

Clients read the repository's own lists, with all versions in them. So for each name, the version is copied that a
client takes: the newest that pins allow, and where a dependency wants another, that one too. Of alternatives, the first
that exists is taken, as apt does where a node has none of them; where a node has another, it needs nothing. Of a name
that several packages provide and none has, all of them are taken, since the choice is the client's.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import matches, matching
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import PackageSet, Pin

Compare = Callable[[str, str], int]

_NAMED = 8
_RELATIONS: dict[str, Callable[[int], bool]] = {
    "": lambda order: True,
    "<<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">>": lambda order: order > 0,
}


@dataclass(frozen=True)
class Need:
    """A package, or what one provides, at some versions."""

    name: str
    relation: str = ""
    version: str = ""

    def __str__(self) -> str:
        return "%s (%s %s)" % (self.name, self.relation, self.version) if self.relation else self.name


@dataclass(frozen=True)
class Package:
    """A package of a repository.

    Parameters
    ----------
    depends
        All of them are needed; of each, one alternative.
    provides
        Names beside its own, with the version where it has one.
    path
        Below the root of the copy.
    modular
        Whether it belongs to a stream of a module, which a client takes only where the stream is enabled.
    """

    name: str
    version: str
    path: str
    size: int
    algorithm: str
    digest: str
    source: str = ""
    depends: tuple[tuple[Need, ...], ...] = ()
    provides: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    modular: bool = False


class Catalogue:
    """The packages that a client of some repositories can choose.

    Parameters
    ----------
    packages
        Of all repositories, the preferred repository's first.
    compare
        How versions are ordered.
    """

    def __init__(self, packages: Iterable[Package], compare: Compare, pins: Sequence[Pin] = ()) -> None:
        self._compare = compare
        self._named: dict[str, list[Package]] = {}
        self._known: dict[str, list[str]] = {}
        self._providers: dict[str, list[tuple[Package, str]]] = {}
        listed = list(packages)
        for one in listed:
            self._known.setdefault(one.name, []).append(one.version)
        for one in _allowed(listed, pins):
            self._named.setdefault(one.name, []).append(one)
        newest = functools.cmp_to_key(compare)
        for versions in self._named.values():
            # Streams of modules come last: a client without the stream does not see them.
            versions.sort(key=lambda one: (not one.modular, newest(one.version)), reverse=True)
        for versions in self._named.values():
            for one in versions:
                for name, version in one.provides:
                    self._providers.setdefault(name, []).append((one, version))

    def wanted(self, text: str) -> Package | str:
        """Return the package that ``NAME`` or ``NAME=VERSION`` means, or why there is none."""
        name, _equals, version = text.partition("=")
        found = next((one for one in self._named.get(name, ()) if matches(one.version, version)), None)
        if found:
            return found
        if name not in self._known:
            return "no package %s" % name
        newest = sorted(set(self._known[name]), key=functools.cmp_to_key(self._compare), reverse=True)
        more = " and %d more" % (len(newest) - _NAMED) if len(newest) > _NAMED else ""
        return "no version %s of %s, only %s%s" % (version or "that is allowed", name, ", ".join(newest[:_NAMED]), more)

    def choices(self, alternatives: Sequence[Need]) -> list[Package]:
        """Return what a client may take for a dependency, of its first alternative that exists; empty without one."""
        for need in alternatives:
            fits = _RELATIONS[need.relation]
            real = (one for one in self._named.get(need.name, ()) if fits(self._order(one.version, need)))
            first = next(real, None)
            if first:
                return [first]
            provided: dict[str, Package] = {}
            for one, version in self._providers.get(need.name, ()):
                if not need.relation or (version and fits(self._order(version, need))):
                    provided.setdefault(one.name, one)
            if provided:
                return list(provided.values())
        return []

    def _order(self, version: str, need: Need) -> int:
        return self._compare(version, need.version) if need.relation else 0


def _allowed(listed: Sequence[Package], pins: Sequence[Pin]) -> Iterator[Package]:
    """Yield the packages that no pin rules out."""
    sources = {one.name: one.source or one.name for one in listed}
    ruled = [(frozenset(matching(sources, pin.patterns, sources)), pin.version) for pin in pins]
    for one in listed:
        if all(one.name not in names or matches(one.version, version) for names, version in ruled):
            yield one


def closure(asked: PackageSet, packages: Iterable[Package], compare: Compare) -> tuple[list[Package], list[str]]:
    """Return the packages of a set with all that they depend on, and the dependencies that no repository has.

    Raises
    ------
    EvenkeelError
        There is no such package, or the repositories are to be complete and lack a dependency; all are named.
    """
    catalogue = Catalogue(packages, compare, asked.pins)
    where = "the repositories %s" % ", ".join(map(str, asked.repositories))
    waiting: deque[Package] = deque()
    problems = []
    for text in asked.packages:
        found = catalogue.wanted(text)
        if isinstance(found, Package):
            waiting.append(found)
        else:
            problems.append(found)
    if problems:
        raise EvenkeelError(
            "%s can't be given: %s have %s" % (asked.name, where, "; ".join(problems)),
            "Ask for what they have, or name further repositories; nothing was fetched",
        )
    chosen: dict[str, Package] = {}
    unmet: dict[str, str] = {}
    while waiting:
        one = waiting.popleft()
        if one.path in chosen:
            continue
        chosen[one.path] = one
        for alternatives in one.depends:
            choices = catalogue.choices(alternatives)
            if not choices:
                unmet.setdefault(" | ".join(map(str, alternatives)), one.name)
            waiting.extend(choices)
    lacking = ["%s (of %s)" % (need, name) for need, name in unmet.items()]
    # Of files, RPM's list of packages names those in some folders alone.
    needed = [one for one in lacking if not one.startswith("/")]
    if needed and asked.complete:
        more = " and %d more" % (len(needed) - _NAMED) if len(needed) > _NAMED else ""
        raise EvenkeelError(
            "%s can't be given: %s lack %s%s" % (asked.name, where, ", ".join(needed[:_NAMED]), more),
            "Name the repositories that have it (package_mirror_copy of the role, bundle_copy of the playbook), or "
            "leave it to the nodes' own",
        )
    return sorted(chosen.values(), key=lambda one: one.path), lacking
