# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the reality check as tests need one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from reality.claims import Claim, Result
from reality.world import World

Ask = Callable[[World], Result]


class Made:
    """A part whose claims are answered by functions."""

    TITLE = "Made"
    AT_ONCE = 1
    SECONDS = 60.0

    def __init__(self, asks: Mapping[str, Ask], *, name: str = "made", network: bool = False) -> None:
        self.NETWORK = network
        self._name, self._asks = name, asks
        #: What has been asked, in order.
        self.asked: list[str] = []

    def claims(self, _world: World) -> Iterable[Claim]:
        return [Claim(f"{self._name}/{key}", self._name, f"{key} holds", "Made") for key in self._asks]

    def check(self, claim: Claim, world: World) -> Result:
        key = claim.id.partition("/")[2]
        self.asked.append(key)
        return self._asks[key](world)


class Watcher:
    """Remembers how a run went."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int, int]] = []
        self.results: list[tuple[str, str]] = []
        self.waited: set[str] = set()

    def begin(self, name: str, total: int, done: int) -> None:
        self.begun.append((name, total, done))

    def waiting(self, claims: Sequence[Claim]) -> None:
        self.waited |= {claim.id for claim in claims}

    def result(self, claim: Claim, result: Result) -> None:
        self.results.append((claim.id, result.state))
