# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.transfer import (
    MOST_BYTES,
    SLACK_BYTES,
    Pace,
    most_bytes,
)

#: What must come in ten seconds.
ENOUGH = 100_000


@pytest.mark.parametrize(("size", "most"), [(0, MOST_BYTES), (1, 1 + SLACK_BYTES), (10**9, 10**9 + SLACK_BYTES)])
def test_most_bytes(size: int, most: int) -> None:
    assert most_bytes(size) == most


@pytest.mark.parametrize(
    ("notes", "deadline", "complaint"),
    [
        ([], 10, "stood still for 10 s"),
        ([(0, "a", 0)], 10, "stood still for 10 s"),
        ([(ENOUGH - 1, "a", 0), (ENOUGH, "a", 5)], 10, "sent 1 bytes in 10 s"),
        (
            [(0, "a", 0), (ENOUGH - 1, "a", 5)],
            10,
            f"sent {ENOUGH - 1} bytes in 10 s; less than 10000 bytes a second",
        ),
        ([(0, "a", 0), (ENOUGH, "a", 5)], 15, "stood still for 10 s"),
        ([(0, "a", 0), (1, "b", 5)], 15, "stood still for 10 s"),
        ([(ENOUGH, "a", 0), (7, "b", 5)], 15, "stood still for 10 s"),
        ([(ENOUGH, "a", 0), (7, "a", 5)], 10, "stood still for 10 s"),
    ],
    ids=["nothing", "no bytes", "next to nothing", "too slow", "enough", "one ended", "another one", "begun anew"],
)
def test_pace(notes: list[tuple[int, str, float]], deadline: float, complaint: str) -> None:
    pace = Pace(10, 0)
    for brought, stage, now in notes:
        pace.note(brought, stage, now)
    assert pace.deadline == deadline
    assert pace.complaint().startswith(complaint)


def test_what_rests_is_not_slow() -> None:
    pace = Pace(10, 0)
    pace.note(5, "a", 0)
    pace.restart(100)
    assert (pace.deadline, pace.complaint()) == (110, "stood still for 10 s")
