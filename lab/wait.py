# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a condition, for as long as it takes and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lab.errors import LabError

_PAUSE = 0.1


def until(
    condition: Callable[[], bool], what: str, remedy: str, *, seconds: float, stop: threading.Event | None = None
) -> None:
    """Ask ``condition`` again and again until it holds.

    Raises
    ------
    LabError
        It did not hold within ``seconds``, or ``stop`` was set meanwhile.
    """
    stop = stop or threading.Event()
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:.0f} s: {what}", remedy)
        if stop.wait(_PAUSE):
            raise LabError(f"stopped waiting: {what}", "run the same command again")
