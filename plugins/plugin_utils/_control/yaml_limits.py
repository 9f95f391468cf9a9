# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Limits for what YAML may become, checked before it becomes anything: a few lines of aliases can fill all memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_PLAIN = frozenset({"str", "int", "float", "bool", "null", "seq", "map", "timestamp", "merge", "value"})
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Limits:
    """How much a document may hold.

    Parameters
    ----------
    values
        Scalars, lists and maps, each as often as aliases repeat it.
    depth
        Lists and maps within each other.
    characters
        The length of one scalar.
    """

    values: int
    depth: int
    characters: int


class Excess(Exception):
    """A document is over a limit, with the line where it is."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


def require_limits(root: Any, limits: Limits) -> None:
    """Refuse a composed document over a limit, with an alias to what contains it, or with tags.

    Parameters
    ----------
    root
        A node of PyYAML's or ruamel.yaml's, of which nothing has been constructed.
    limits
        What it may hold.

    Raises
    ------
    Excess
        It is over a limit.
    """
    _Measure(limits).of(root, 1)


class _Measure:
    """Counts what a node becomes; a node that aliases repeat is looked at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        #: By identity, how many values a node is and how deep it goes; None while it is looked at.
        self._known: dict[int, tuple[int, int] | None] = {}

    def of(self, node: Any, depth: int) -> tuple[int, int]:
        found = self._known.get(id(node), (0, 0))
        if found is None:
            raise self._excess(node, "an alias refers to a value that contains it")
        values, height = found
        if not values:
            self._known[id(node)] = None
            values, height = self._known[id(node)] = self._fresh(node, depth)
        if depth + height - 1 > self._limits.depth:
            raise self._excess(node, f"it is nested more than {self._limits.depth} deep")
        if values > self._limits.values:
            raise self._excess(node, f"it holds more than {self._limits.values} values, with each alias filled in")
        return values, height

    def _fresh(self, node: Any, depth: int) -> tuple[int, int]:
        tag = str(node.tag or "")
        if tag.removeprefix(_STANDARD) not in _PLAIN:
            raise self._excess(node, f"it has the tag {tag.replace(_STANDARD, '!!')}, which is not for this file")
        if isinstance(node.value, str):
            if len(node.value) > self._limits.characters:
                raise self._excess(node, f"a value has more than {self._limits.characters} characters")
            return 1, 1
        if depth >= self._limits.depth:
            raise self._excess(node, f"it is nested more than {self._limits.depth} deep")
        values, height = 1, 1
        for entry in node.value:
            for child in entry if isinstance(entry, tuple) else (entry,):
                more, deep = self.of(child, depth + 1)
                values, height = values + more, max(height, deep + 1)
            if values > self._limits.values:
                break
        return values, height

    def _excess(self, node: Any, problem: str) -> Excess:
        return Excess(problem, node.start_mark.line + 1)
