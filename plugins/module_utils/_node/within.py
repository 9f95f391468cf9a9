# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Calls that are waited for no longer than a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")


class Late(TimeoutError):
    """A call took longer than it was waited for."""


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """Return what ``function`` returns, or raise what it raises.

    A server that sends a byte now and then keeps a function waiting whatever the socket's own time-out is. The function
    is left to itself then, in a thread that does not outlive this process.

    Raises
    ------
    Late
        It took longer.
    """
    answers: SimpleQueue[tuple[bool, Result | BaseException]] = SimpleQueue()

    def call() -> None:
        try:
            answers.put((True, function()))
        except BaseException as error:
            answers.put((False, error))

    threading.Thread(target=call, daemon=True).start()
    try:
        good, answer = answers.get(timeout=seconds)
    except Empty:
        raise Late("timed out after %g s" % seconds) from None
    if not good:
        assert isinstance(answer, BaseException)
        raise answer
    return answer  # type: ignore[return-value]
