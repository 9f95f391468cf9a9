# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What nodes have of environments, beside what is locked, as a table with a row for nodes that have the same."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.unreachable import why_of_any
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.node_names import named

COLUMNS = 120
_HEADS = ("ENVIRONMENT", "STATE", "DIGEST", "NODES")
_GAP = "  "
#: So many nodes are named where all is as locked, and where it is not.
_FEW, _MANY = 8, 100

AS_LOCKED, NO_LOCK, NOT_DECLARED = "as locked", "no lock", "not declared"
DRIFTED, NOT_AS_LOCKED, ABSENT, NOT_READ = "drifted", "not as locked", "absent", "not read"
#: In the order of their rows.
_STATES = (NOT_READ, DRIFTED, NOT_AS_LOCKED, ABSENT, NO_LOCK, NOT_DECLARED, AS_LOCKED)
#: Of an environment, what is not what a lock declares.
WRONG = (DRIFTED, NOT_AS_LOCKED, ABSENT)

Environments = Mapping[str, Mapping[str, Any]]


def state(found: Mapping[str, Any] | None, locked: Mapping[str, str] | None) -> str:
    """Return the state of an environment on a node.

    Parameters
    ----------
    found
        What the node has of it, with ``digest`` and ``drift``; None if it is absent.
    locked
        What is declared, with ``digest`` where a lock has it; None if it is not declared.
    """
    if found is None:
        return ABSENT
    if found["drift"]:
        return DRIFTED
    if locked is None:
        return NOT_DECLARED
    if "digest" not in locked:
        return NO_LOCK
    return AS_LOCKED if found["digest"] == locked["digest"] else NOT_AS_LOCKED


def rows(nodes: Mapping[str, Environments], locks: Mapping[str, Environments]) -> dict[tuple[str, str, str], list[str]]:
    """Return, by environment, state and digest, the nodes that have it so; in the table's order.

    Parameters
    ----------
    nodes
        By node and name, what the node has.
    locks
        By node and name, what is declared for it.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for node, environments in nodes.items():
        declared = locks.get(node, {})
        for name in {**environments, **declared}:
            one = environments.get(name)
            key = (name, state(one, declared.get(name)), one["digest"][:16] if one else "")
            found.setdefault(key, []).append(node)
    return {key: found[key] for key in sorted(found, key=lambda key: (key[0], _STATES.index(key[1]), key[2]))}


def without_lock(locks: Mapping[str, Environments]) -> list[str]:
    """Return a line for each environment that is declared and that no lock has, with the reason."""
    reasons = {(name, one["why"]) for declared in locks.values() for name, one in declared.items() if "why" in one}
    return [in_one_line(f"{name}: {why}") for name, why in sorted(reasons)]


def table(found: Mapping[tuple[str, str, str], Sequence[str]], unread: Mapping[str, str]) -> list[str]:
    """Return the table; the nodes that could not be read, and why, come first."""
    by_reason: dict[str, list[str]] = {}
    for node, reason in unread.items():
        by_reason.setdefault(in_one_line(why_of_any(reason)), []).append(node)
    cells = [
        *(("-", NOT_READ, "-", f"{named(names, _MANY)}: {reason}") for reason, names in by_reason.items()),
        *(
            (in_one_line(name), is_, digest or "-", named(names, _FEW if is_ == AS_LOCKED else _MANY))
            for (name, is_, digest), names in found.items()
        ),
    ]
    return list(_lines([_HEADS, *cells])) if cells else []


def _lines(cells: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[number]) for row in cells) for number in range(len(_HEADS) - 1)]
    indent = " " * (sum(widths) + len(_GAP) * len(widths))
    for row in cells:
        start = "".join(cell.ljust(width) + _GAP for cell, width in zip(row, widths, strict=False))
        yield from textwrap.wrap(
            row[-1],
            max(COLUMNS, len(indent) + 40),
            initial_indent=start,
            subsequent_indent=indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
