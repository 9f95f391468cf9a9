# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Fetch a repository's lists again while the repository is in the middle of a synchronisation."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done

#: Seconds before each further attempt.
_PAUSES = (2, 4, 8)


def until_whole(fetch: Callable[[], Done], not_whole: re.Pattern[str]) -> Done:
    """Fetch, and again while what was said shows that the repository is not whole; return how the last time ended."""
    for pause in _PAUSES:
        done = fetch()
        if done.status == 0 or not not_whole.search(done.said):
            return done
        time.sleep(pause)
    return fetch()
