# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Why a solver found no answer, on one screen: its tree without repetitions, the likely causes first."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically

#: What is shown of an explanation.
LINES, COLUMNS = 20, 200
#: What its tree is drawn with, for each level.
_LEVEL = re.compile(r"(?:[│├└ ][─ ] )")
_OPENING = "Cannot solve the request because of: "
#: What the solver says of a package that nothing fits, in groups: its name, what is asked of it, why there is none.
MISSING = re.compile(
    r"(?P<name>\S+) (?P<asked>.+?)(?P<why>, (?:for which no candidates were found|which .+ excludes)\.?)"
)


@dataclass
class _Node:
    text: str
    below: list[_Node] = field(default_factory=list)


def report(explanation: str, name: str) -> str:
    """Return a screen of what a solver says; the end names the file that has all of it, where something is left out.

    Parameters
    ----------
    explanation
        The solver's text, a tree.
    name
        Of the file, which is in the user's cache.
    """
    drawn = list(_drawn(_merged(_parsed(explanation))))
    lines = [_short(line) for line in drawn[:LINES]]
    if lines == drawn:
        return "\n".join(lines)
    path = _kept(explanation, name)
    return "\n".join([*lines, f"All that the solver says is in {path}" if path else "..."])


def _short(line: str) -> str:
    return line if len(line) <= COLUMNS else f"{line[: COLUMNS // 2]} ... {line[-COLUMNS // 2 :]}"


def _kept(explanation: str, name: str) -> Path | None:
    """Write all that a solver says into the cache, and return where; None where that is not possible."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "evenkeel" / "unsolved" / f"{name}.txt"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(str(path), f"{explanation.rstrip()}\n")
        return path
    return None


def _parsed(explanation: str) -> list[_Node]:
    root = _Node("")
    branch = [root]
    for line in explanation.removeprefix(_OPENING).splitlines():
        marks = re.match(f"{_LEVEL.pattern}*", line)
        depth = len(_LEVEL.findall(marks[0])) if marks else 0
        text = line[marks.end() if marks else 0 :].strip()
        if text:
            node = _Node(text)
            branch = branch[: depth + 1]
            branch[-1].below.append(node)
            branch.append(node)
    return root.below


def _merged(nodes: Iterable[_Node]) -> list[_Node]:
    """Return nodes of which those of one text are one, and those that lack other versions of one package, too."""
    by_text: dict[str, _Node] = {}
    for node in nodes:
        by_text.setdefault(node.text, _Node(node.text)).below.extend(node.below)
    for node in by_text.values():
        node.below = _merged(node.below)
    by_name: dict[str, list[_Node]] = {}
    for node in by_text.values():
        missing = MISSING.fullmatch(node.text)
        by_name.setdefault(missing["name"] + missing["why"] if missing else node.text, []).append(node)
    return sorted(map(_as_one, by_name.values()), key=_urgency)


def _as_one(nodes: list[_Node]) -> _Node:
    missing = MISSING.fullmatch(nodes[0].text)
    if missing and len(nodes) > 1:
        return _Node(f"{missing['name']} {missing['asked']} (and {len(nodes) - 1} more){missing['why']}")
    return nodes[0]


def _urgency(node: _Node) -> int:
    """Return how likely a node holds the cause, the likeliest lowest: the nodes lack something, then a package.

    That some builds are for other versions of Python is rarely the cause.
    """
    if not node.below:
        return 0 if node.text.startswith("__") else 2 if node.text.split()[0] == "python" else 1
    return min(map(_urgency, node.below))


def _drawn(nodes: Iterable[_Node], before: str = "", *, top: bool = True) -> Iterable[str]:
    found = list(nodes)
    for number, node in enumerate(found, start=1):
        last = number == len(found)
        yield node.text if top else f"{before}{'└─ ' if last else '├─ '}{node.text}"
        yield from _drawn(node.below, "" if top else f"{before}{'   ' if last else '│  '}", top=False)
