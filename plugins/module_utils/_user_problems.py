# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What is wrong with what users own: a warning for each of them, and never a failure of the node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_SHOWN = 5


def warnings(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one warning for each user, in order of names."""
    return ["Problems of user %s: %s" % (user, _shown(problems[user])) for user in sorted(problems) if problems[user]]


def _shown(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_SHOWN
    return "; ".join([*texts[:MOST_SHOWN], *(["and %d more" % more] if more > 0 else [])])
