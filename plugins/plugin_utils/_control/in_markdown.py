# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Text of others within Markdown, where it can be no markup."""

from __future__ import annotations

import re

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line

_TICKS = re.compile("`+")


def code(text: str) -> str:
    """Return a text as code within a line."""
    ticks = fence(text, 1)
    return "%s %s %s" % (ticks, in_one_line(text), ticks)


def fence(text: str, shortest: int = 3) -> str:
    """Return a fence that a text can't end."""
    return "`" * max([shortest, *(len(found) + 1 for found in _TICKS.findall(text))])
