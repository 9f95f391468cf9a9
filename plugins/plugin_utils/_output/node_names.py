# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The names of many nodes in a line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in their order, numbers in them by their value."""
    return sorted(names, key=_by_number)


def named(names: Iterable[str], most: int) -> str:
    """Return the first of the names, in order, and how many more there are."""
    ordered = in_order(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(map(in_one_line, ordered[:most])) + more


def _by_number(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]
