# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Fetch a repository's lists again while the repository is in the middle of a synchronisation."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done

_LONGEST_PAUSE = 10


def until_whole(fetch: Callable[[], Done], not_whole: re.Pattern[str], retries: int) -> Done:
    """Fetch, and again where what was said shows that the repository is not whole; return how the last time ended.

    Parameters
    ----------
    retries
        How often at most it is fetched again. The pauses before are 2, 4, 8 and then 10 seconds.
    """
    for attempt in range(1, retries + 1):
        done = fetch()
        if done.status == 0 or not not_whole.search(done.said):
            return done
        time.sleep(min(2**attempt, _LONGEST_PAUSE))
    return fetch()
