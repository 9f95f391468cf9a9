# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import (
    Progress,
    checked,
    clock,
    pace,
    reported,
)


def progress(step: str, packages: int = 61, bytes_: int = 0, of_bytes: int = 0, of: int = 107) -> dict[str, Any]:
    return {"step": step, "packages": packages, "of": of, "bytes": bytes_, "of_bytes": of_bytes}


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (progress("fetch", 61, 80_400_000, 131_499_999), "61 of 107 packages, 80 of 131 MB fetched"),
        (progress("fetch"), "61 of 107 packages fetched"),
        (progress("link"), "linked 61 of 107"),
        (progress("compile"), "bytecode 61 of 107 files"),
        (progress("pip", 0), "pip 0 of 107 packages"),
        (progress("sync", 61), "writing to disk, 61 s"),
    ],
)
def test_words(found: Progress, line: str) -> None:
    assert reported(found) == line
    assert checked(found) == found


@pytest.mark.parametrize(
    "sent",
    [
        *([], "link", {}, {"step": "link"}, progress("dance"), {**progress("link"), "of": "\x1b[2J"}),
        *({**progress("link"), "packages": -1}, {**progress("link"), "packages": True}),
        *({**progress("link"), "bytes": 10**400}, {**progress("link"), "bytes": 1.5}),
    ],
)
def test_a_node_can_not_send_anything_else(sent: Any) -> None:
    with pytest.raises(ValueError, match="no progress"):
        checked(sent)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        ([], []),
        ([(0, progress("link", 10))], []),
        ([(0, progress("link", 10)), (0, progress("link", 20))], []),
        ([(0, progress("link", 10)), (5, progress("link", 10))], []),
        ([(0, progress("link", 7)), (10, progress("link", 57))], ["0:10 left"]),
        ([(0, progress("link", 7)), (10, progress("link", 107))], []),
        ([(0, progress("fetch", 0, 0, 400_000_000)), (4, progress("fetch", 1, 40_000_000, 400_000_000))],
         ["10 MB/s", "0:36 left"]),
        ([(0, progress("fetch", 0, 0, 400_000_000)), (4, progress("fetch", 1, 400_000_000, 400_000_000))],
         ["100 MB/s"]),
        ([(0, progress("fetch", 0, 0, 4_000_000)), (4, progress("fetch", 1, 1_000_000, 4_000_000))],
         ["0.2 MB/s", "0:12 left"]),
        ([(0, progress("fetch", 99)), (10, progress("link", 7)), (20, progress("link", 57))], ["0:10 left"]),
        ([(0, progress("sync", 5, of=0)), (5, progress("sync", 10, of=0))], []),
    ],
)  # fmt: skip
def test_the_pace(samples: list[tuple[float, Progress]], found: list[str]) -> None:
    assert pace(samples) == found


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (7380, "2:03:00")])
def test_times(seconds: float, text: str) -> None:
    assert clock(seconds) == text
