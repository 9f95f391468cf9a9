# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io

import pytest
from rich.console import Console

from reality import shown
from reality.claims import Claim, Result

CLAIM = Claim("data/one", "data", "one holds", "Made")


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def run(console: Console) -> None:
    with shown.chosen(console) as watcher:
        watcher.begin("data", 4, 1)
        watcher.result(CLAIM, Result("proven"))
        watcher.result(CLAIM, Result("differs", detail="[red]it\nhas \x1b[2J" + "x" * 1000))
        watcher.result(CLAIM, Result("failed", detail="the check itself failed"))


def test_a_log_has_a_line_for_each_difference_that_nobody_s_text_can_break(output: io.StringIO) -> None:
    run(Console(file=output))
    first, second, third, fourth = output.getvalue().splitlines()
    assert first == "data: 4 claims, 1 of them answered before"
    assert second.startswith("≠ data/one: one holds: [red]it has \\x1b[2Jxxx")
    assert len(second) < 400
    assert third == "! data/one: one holds: the check itself failed"
    assert fourth == "data: 4 of 4: 1 proven, 1 differs, 1 failed"


def test_a_terminal_has_a_bar(output: io.StringIO) -> None:
    run(Console(file=output, force_terminal=True, width=200))
    assert "≠ data/one: one holds: [red]it has \\x1b[2J" in output.getvalue()
    assert "4/4" in output.getvalue()


def test_a_log_says_now_and_then_what_takes_long(output: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(shown.time, "monotonic", lambda: now)
    with shown.chosen(Console(file=output)) as watcher:
        watcher.begin("data", 3, 0)
        for now in (1.0, 121.0, 122.0, 250.0):
            watcher.waiting([CLAIM] if now < 200 else [CLAIM, CLAIM])
        watcher.waiting([])
    assert output.getvalue().splitlines()[1:] == [
        "data: 0 of 3; now: one holds",
        "data: 0 of 3; now: one holds, and 1 more",
    ]
