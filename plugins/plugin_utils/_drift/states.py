# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The four states of a host in a drift report, which are never fewer."""

from __future__ import annotations

from collections.abc import Iterable

EQUAL, DRIFTED, UNKNOWN, UNREACHABLE = "equal", "drifted", "unknown", "unreachable"
#: From the best to the worst.
ORDER = (EQUAL, DRIFTED, UNKNOWN, UNREACHABLE)


def worst(states: Iterable[str]) -> str:
    """Return the worst of states."""
    return max(states, key=ORDER.index, default=EQUAL)


def counts(states: Iterable[str]) -> dict[str, int]:
    """Return how often each of the four states occurs."""
    found = list(states)
    return {state: found.count(state) for state in ORDER}
