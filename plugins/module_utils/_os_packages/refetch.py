# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Fetch from a repository again while it is incomplete, as during a synchronisation or by a damaged file of a cache."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done

#: Seconds before each further attempt.
_PAUSES = (2, 4, 8)


def until_complete(fetch: Callable[[bool], Done], incomplete: re.Pattern[str]) -> Done:
    """Fetch, and again while the output matches ``incomplete``; return how the last attempt ended.

    Parameters
    ----------
    fetch
        Gets whether it is asked again; then it goes past caches where it can.
    """
    again = False
    for pause in _PAUSES[: patience.retries(len(_PAUSES))]:
        done = fetch(again)
        if done.status == 0 or not incomplete.search(done.said):
            return done
        again = True
        time.sleep(pause)
    return fetch(again)
