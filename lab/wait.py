# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a condition, for as long as it takes and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.errors import LabError

_PAUSE = 0.1


def until(condition: Callable[[], bool], what: str, mend: str, *, seconds: float) -> None:
    """Ask ``condition`` again and again until it holds.

    Raises
    ------
    LabError
        It did not hold within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"waited {seconds:.0f} s: {what}", mend)
        time.sleep(_PAUSE)
