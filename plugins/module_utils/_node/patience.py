# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How patient this process is with servers: a run waits and asks again, a preflight asks once and has an end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class _Limits:
    answer: float
    end: float


_limits: _Limits | None = None


@contextlib.contextmanager
def asking_once(answer: float | None, seconds: float) -> Iterator[None]:
    """Ask every server once for a while; processes that are forked within do so too.

    Parameters
    ----------
    answer
        How many seconds a server may stay silent; None changes nothing.
    seconds
        How many seconds all of it may take.
    """
    global _limits
    before = _limits
    if answer is not None:
        _limits = _Limits(answer, time.monotonic() + seconds)
    try:
        yield
    finally:
        _limits = before


def asks_once() -> bool:
    """Return whether no server is asked a second time."""
    return _limits is not None


def for_answer(usual: float) -> float:
    """Return how many seconds a server may stay silent."""
    return min(usual, _limits.answer) if _limits else usual


def in_all(usual: float, share: float = 1.0) -> float:
    """Return how many seconds something that asks servers may take: a share of what is left, and one answer's time."""
    if _limits is None:
        return usual
    return min(usual, max((_limits.end - time.monotonic()) * share, _limits.answer))


def retries(usual: int) -> int:
    """Return how often a server is asked again."""
    return 0 if _limits else usual
