# SPDX-License-Identifier: GPL-3.0-or-later
"""A claim with the way to ask it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reality.claims import Claim, Result
from reality.world import World


@dataclass(frozen=True)
class Question:
    """A claim, and what asks it of a world."""

    claim: Claim
    ask: Callable[[World], Result]


def question(subject: str, key: str, text: str, ask: Callable[[World], Result]) -> Question:
    """Return a question of the part data."""
    return Question(Claim(f"data/{key}", "data", text, subject), ask)
