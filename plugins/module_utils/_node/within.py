# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Calls that are waited for no longer than a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
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
    answer: Future[Result] = Future()

    def call() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    if wait([answer], seconds).not_done:
        raise Late("timed out after %g s" % seconds)
    return answer.result()
