# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import refetch

INCOMPLETE, OTHER, GOOD = Done(1, "", "Hash Sum mismatch"), Done(1, "no route", ""), Done(0, "Hash Sum mismatch", "")


@pytest.mark.parametrize(
    ("ends", "last", "pauses"),
    [
        ([GOOD], GOOD, []),
        ([OTHER], OTHER, []),
        ([INCOMPLETE, INCOMPLETE, GOOD], GOOD, [2, 4]),
        ([INCOMPLETE, OTHER], OTHER, [2]),
        ([INCOMPLETE] * 4, INCOMPLETE, [2, 4, 8]),
    ],
    ids=["at once", "another failure", "at last", "then another failure", "never"],
)
def test_it_is_fetched_again_only_in_the_middle_of_a_synchronisation(
    monkeypatch: pytest.MonkeyPatch, ends: list[Done], last: Done, pauses: list[int]
) -> None:
    left, paused = list(ends), list[float]()
    monkeypatch.setattr(refetch.time, "sleep", paused.append)
    repeated = list[bool]()

    def fetch(again: bool) -> Done:
        repeated.append(again)
        return left.pop(0)

    assert refetch.until_complete(fetch, re.compile("Hash Sum")) == last
    assert (left, paused) == ([], pauses)
    assert repeated == [number > 0 for number in range(len(ends))]


def test_a_preflight_fetches_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refetch.time, "sleep", lambda _: pytest.fail("it waits"))
    left = [INCOMPLETE, GOOD]
    with patience.asking_once(10, 60):
        assert refetch.until_complete(lambda _again: left.pop(0), re.compile("Hash Sum")) == INCOMPLETE
