# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The names that operators gave to variables, compared with the inputs of roles and playbooks.

A survey or a playbook's first task calls ``findings`` for all hosts of a run, a role's first task for its own host.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs, specifications

#: Facts that this collection sets, which Ansible may list among a host's variables.
FACTS = frozenset({"evenkeel_gpu", "evenkeel_mirror_in_use"})
#: What upgrade_driver.yml hands to its hooks, the role nvidia_driver to other roles, a node that pulls to playbooks.
HANDED_ON = frozenset({"upgrade_step", "nvidia_driver_target", "evenkeel_pulls"})
#: The inputs that list names of others, and that loosen errors to warnings.
ALLOWED, MODE = "evenkeel_known_variables", "evenkeel_unknown_variables"
#: Follows the errors.
HINT = f"Names that belong to something else can be added to {ALLOWED}."
#: Ansible's own variables, and this collection's private ones.
_NOT_OF_OPERATORS = ("ansible_", "__")
#: Magic variables that hold other variables.
_MAGIC = frozenset({"groups", "hostvars", "vars", "environment"})
#: How alike names are that may be meant, from 0 to 1: after the same prefix, and as a whole.
_ALIKE, _VERY_ALIKE = 0.6, 0.8
#: How alike words are that are: with one mistake, as an abbreviation, and otherwise at least.
_MISTAKEN, _ABBREVIATED, _LIKE = 0.9, 0.8, 0.7
#: Shorter words abbreviate too many others.
_ABBREVIATION = 3
#: What separates words: hyphens and dots as others write them, and the capitals of camelCase.
_SEPARATORS = re.compile(r"[-._]+|(?<=[a-z0-9])(?=[A-Z])")
#: Names that are alike share their first or last letters, as many as this.
_EDGE = 4
#: Shorter prefixes are alike by chance.
_LONG_PREFIX = 6
#: How many hosts and inputs a line lists.
_LISTED = 15
#: How deep mappings and lists are looked into.
_DEPTH = 6


@dataclass
class Findings:
    """What is wrong with variables' names: a line for each problem."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def loosened(self) -> Findings:
        """Return the same with warnings only."""
        return Findings([], [*self.errors, *self.warnings])


@dataclass(frozen=True)
class _Verdict:
    """Why a name is none that is known."""

    line: str
    is_error: bool


class Names:
    """The inputs that there are, and the prefixes that belong to them.

    Parameters
    ----------
    known
        All inputs.
    own
        Prefixes under which every other name is a mistake.
    shared
        Prefixes under which only a name that is close to an input is a mistake: words that others use too.
    """

    def __init__(self, known: Collection[str], own: Collection[str], shared: Collection[str] = ()) -> None:
        self.known = frozenset(known)
        self._own = tuple(sorted(own, key=len, reverse=True))
        self._shared = tuple(sorted(shared, key=len, reverse=True))
        self._by_letters: dict[str, str] = {}
        self._by_edge: dict[str, list[str]] = {}
        for name in sorted(one for one in self.known if one.startswith((*self._own, *self._shared))):
            self._by_letters[_letters(name)] = name
            for edge in _edges(name):
                self._by_edge.setdefault(edge, []).append(name)
        self._roles = {prefix.rstrip("_") for prefix in self._own} & set(specifications.of_roles())
        #: An answer is computed once, however many hosts have the name.
        self.verdict: Callable[[str], _Verdict | None] = cache(self._verdict)

    def has_role(self, name: str) -> bool:
        """Whether a name is that of a role, which is no variable."""
        return name in self._roles

    def _verdict(self, name: str) -> _Verdict | None:
        if meant := self._by_letters.get(_letters(name)):
            return _Verdict(_line(f"There is no variable {name}", f"Use {meant} instead"), True)
        written = "_".join(_words(name))
        if prefix := _prefix(written, self._own):
            alike = [one for one in self.known if one.startswith(prefix)]
            return _Verdict(_line(f"There is no variable {name}", _use_instead(written, alike, prefix)), True)
        every = (*self._own, *self._shared)
        close = _closest(written, {one for edge in _edges(written) for one in self._by_edge.get(edge, ())}, _VERY_ALIKE)
        if not close or f"{written}_" in every:
            return None
        meant = " or ".join(close)
        in_letters = _prefix(written, self._shared) and any(_ratio(written, one) >= _VERY_ALIKE for one in close)
        if in_letters or any(_is_nearly(written, one, prefix) for one in close for prefix in every):
            return _Verdict(_line(f"There is no variable {name}", f"Use {meant} instead"), True)
        if not any(_word_likeness(_words(written)[0], _words(one)[0]) for one in close):
            return None
        return _Verdict(
            _line(
                f"{name} looks like {meant}, which is another variable",
                f"Use {meant} if you mean that; otherwise add {name} to {ALLOWED}",
            ),
            False,
        )


def _words(name: str) -> list[str]:
    return [word.lower() for word in _SEPARATORS.split(name)]


def _letters(name: str) -> str:
    return "".join(_words(name))


def _prefix(name: str, prefixes: Iterable[str]) -> str | None:
    return next((prefix for prefix in prefixes if name.startswith(prefix)), None)


def _edges(name: str) -> tuple[str, str]:
    return f"{name[:_EDGE]}*", f"*{name[-_EDGE:]}"


def _use_instead(name: str, known: Collection[str], prefix: str) -> str:
    """Return what to do about a name; what it shares with the others says nothing about which of them was meant."""
    rest = {one.removeprefix(prefix): one for one in known}
    if close := _closest(name.removeprefix(prefix), rest, _ALIKE):
        return f"Use {' or '.join(rest[one] for one in close)} instead"
    if len(known) <= _LISTED:
        return f"Known are {', '.join(sorted(known))}"
    role = prefix.rstrip("_")
    return _readme(role) if role in specifications.of_roles() else "See README.md"


def _readme(role: str) -> str:
    return f"The README of the role {role} lists its variables"


def _closest(name: str, known: Iterable[str], least: float) -> list[str]:
    """Return the names that are most like one, compared word by word: several where none is closer."""
    likeness = {one: _likeness(name, one) for one in sorted(known)}
    most = max(likeness.values(), default=0.0)
    return [one for one, value in likeness.items() if value == most >= least]


def _likeness(name: str, other: str) -> float:
    """Return how alike names are: how much of their words has its like in the other name."""
    words, others = _words(name), _words(other)
    count, common = len(words) + len(others), 0.0
    for word in words:
        likeness, nearest = max(((_word_likeness(word, one), one) for one in others), default=(0.0, ""))
        if likeness:
            common += likeness
            others.remove(nearest)
    return 2 * common / count


@cache
def _word_likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if _is_one_edit(one, other):
        return _MISTAKEN
    if _abbreviates(one, other) or _abbreviates(other, one):
        return _ABBREVIATED
    return ratio if (ratio := _ratio(one, other)) >= _LIKE else 0.0


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _abbreviates(short: str, long: str) -> bool:
    """Whether a word is the beginning of another, such as env, or leaves out letters inside it, such as pkgs."""
    if len(short) < _ABBREVIATION or not long.startswith(short[0]):
        return False
    rest = iter(long)
    return long.startswith(short) or (short[-1] == long[-1] and all(letter in rest for letter in short))


def _is_nearly(name: str, known: str, prefix: str) -> bool:
    """Whether a name is a known one with a mistake in its prefix, and one in the rest at most.

    A mistake is one letter that is wrong, missing or too much, or two that changed places.
    """
    if len(prefix) < _LONG_PREFIX or not known.startswith(prefix):
        return False
    rest = known.removeprefix(prefix)
    ends = (len(prefix) + more for more in (-1, 0, 1))
    return any(_is_one_edit(name[:end], prefix) and _is_one_edit(name[end:], rest) for end in ends)


def _is_one_edit(one: str, other: str) -> bool:
    """Whether a text is another with one mistake at most."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])


@cache
def names_of_playbook(playbook: str) -> Names:
    """Return what is known to a playbook of this collection: every input, and the prefixes of all roles and its own.

    The words that other playbooks begin with, such as ``verify_``, are shared with whatever else uses an inventory.
    """
    words = {_first_word(name) for name in specifications.of_playbooks() if name != specifications.SITE}
    own = {"evenkeel_", *(f"{role}_" for role in specifications.of_roles())}
    if playbook != specifications.SITE:
        own.add(_first_word(playbook))
    return Names(_known(), own, words - own)


@cache
def names_of_role(role: Path) -> Names:
    """Return what is known to a role that is used alone: every input, and its own prefix."""
    old = inputs.changes()["roles"].get(role.name, {})
    return Names({*_known(), *specifications.of_role(role), *old}, {f"{role.name}_", "evenkeel_"})


@cache
def _known() -> frozenset[str]:
    every = (*specifications.of_roles().values(), *specifications.of_playbooks().values())
    # Roles refuse their old names themselves.
    old = inputs.changes()["roles"].values()
    return FACTS | HANDED_ON | {name for names in (*every, *old) for name in names}


def _first_word(playbook: str) -> str:
    return f"{playbook.partition('_')[0]}_"


def findings(hosts: Mapping[str, Mapping[str, Any]], names: Names, allowed: Collection[str] = ()) -> Findings:
    """Return what is wrong with the names of hosts' variables.

    Parameters
    ----------
    hosts
        The variables of each host, templated or not. A value that hosts share is looked at once.
    names
        What is known.
    allowed
        Names and glob patterns that belong to others.
    """
    having: dict[str, list[str]] = {}
    inside = _Inside(names.known)
    for host, variables in hosts.items():
        for name, value in variables.items():
            if not isinstance(name, str) or name.startswith(_NOT_OF_OPERATORS) or name in _MAGIC:
                continue
            if name not in names.known:
                having.setdefault(name, []).append(host)
            if isinstance(value, (dict, list)):
                inside.look(name, value)
            if names.has_role(name) and value is not None:
                inside.look_under_role(name, value)
    found = Findings()
    for name, of in sorted(having.items()):
        verdict = names.verdict(name)
        if verdict is None or _is_allowed(name, allowed):
            continue
        where = "" if len(of) == len(hosts) else f" It is set for {_listed(of)}."
        (found.errors if verdict.is_error else found.warnings).append(verdict.line + where)
    found.errors += inside.errors.values()
    found.warnings += [line for (outer, _inner), line in inside.warnings.items() if not _is_allowed(outer, allowed)]
    return found


class _Inside:
    """Variables that stand inside the value of another, where nothing reads them."""

    def __init__(self, known: Collection[str]) -> None:
        self._known = known
        #: By the name of the outer variable, and that of the misplaced one.
        self.errors: dict[tuple[str, str], str] = {}
        self.warnings: dict[tuple[str, str], str] = {}
        #: Values that were looked at, kept so that no other gets their identity.
        self._seen: dict[tuple[str, int], Any] = {}

    def look(self, name: str, value: Any) -> None:
        if (name, id(value)) in self._seen:
            return
        self._seen[name, id(value)] = value
        for key in _keys(value, _DEPTH):
            if key in self._known and name in self._known:
                line = _line(f"{name} holds {key}, which is a variable of its own", f"Set it beside {name}, not inside")
                self.errors.setdefault((name, key), line)
            elif key in self._known:
                self._warn(key, name, key)
        if name not in self._known and isinstance(value, Mapping):
            for key in value:
                if f"{name}_{key}" in self._known:
                    self._warn(f"{name}_{key}", name, key)

    def look_under_role(self, role: str, value: Any) -> None:
        """Warn of a value under the name of a role, unless variables in it were found."""
        if any(outer == role for outer, _variable in self.warnings):
            return
        options = specifications.of_roles()[role] if isinstance(value, list) else {}
        fitting = [one for one, option in options.items() if not inputs.problems({one: option}, {one: value})]
        remedy = f"Use {fitting[0]} instead" if len(fitting) == 1 else _readme(role)
        self.warnings[role, ""] = _line(f"{role} is the name of a role, not of a variable", remedy)

    def _warn(self, variable: str, outer: str, key: str) -> None:
        line = _line(f"{key} is set inside {outer}, where no role reads it", f"Set {variable} outside of {outer}")
        self.warnings.setdefault((outer, variable), line)


def _keys(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str):
                yield key
            yield from _keys(inner, depth - 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _keys(inner, depth - 1)


def misplaced_names(hosts: Iterable[str], groups: Iterable[str], known: Collection[str]) -> list[str]:
    """Return a line for each variable that an inventory has where hosts or groups are expected."""
    lines = []
    for kind, parents, found in (("host", "hosts", hosts), ("group", "children", groups)):
        for one in sorted(found):
            name = one.partition("=")[0].strip()
            if name in known:
                lines.append(
                    _line(
                        f"The inventory has a {kind} {one}, which is the name of a variable",
                        f"Set it below vars, not below {parents}",
                    )
                )
    return lines


def _is_allowed(name: str, allowed: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in allowed)


def _listed(hosts: list[str]) -> str:
    first, more = hosts[:3], len(hosts) - 3
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def _line(what: str, remedy: str) -> str:
    return str(EvenkeelError(what, remedy))
