# SPDX-License-Identifier: GPL-3.0-or-later
"""Part data: what the project's data files say of sites, repositories and dates, asked of these."""

from __future__ import annotations

from collections.abc import Iterable

from reality.claims import Claim, Result
from reality.parts.data import ages, installers, learned, mirrors, nvidia
from reality.parts.data.question import Question
from reality.record import Sight
from reality.world import World

TITLE = "The data files of the collection"
NETWORK = True
AT_ONCE = 12
SECONDS = 3600.0
PART = "data"

_TOPICS = (installers, mirrors, nvidia, ages)


def claims(world: World) -> Iterable[Claim]:
    """Return the claims of all data files."""
    return [one.claim for one in _questions(world).values()]


def check(claim: Claim, world: World) -> Result:
    """Ask one of them."""
    return _questions(world)[claim.id].ask(world)


def sights(_world: World) -> Iterable[Sight]:
    """Return what the lab can learn of sites."""
    return learned.sights()


def _questions(world: World) -> dict[str, Question]:
    return world.once(
        "the questions of the part data",
        lambda: {one.claim.id: one for topic in _TOPICS for one in topic.questions(world)},
    )
