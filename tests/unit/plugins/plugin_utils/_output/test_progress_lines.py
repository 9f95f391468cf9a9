# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.utils.display import get_text_width
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.progress_lines import lines
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.running import Row

FETCH = Row("gpu1", 65, "ai-dev", ("61 of 107 packages", "12 MB/s", "0:04 left"))
DRIVER = Row("gpu100", 3725, "Install | Install the driver")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, "gpu1  1:05  ai-dev: 61 of 107 packages, 12 MB/s, 0:04 left"),
        (58, "gpu1  1:05  ai-dev: 61 of 107 packages, 12 MB/s, 0:04 left"),
        (57, "gpu1  1:05  ai-dev: 61 of 107 packages, 12 MB/s"),
        (40, "gpu1  1:05  ai-dev: 61 of 107 packages"),
        (24, "gpu1  1:05  ai-dev: 61 ~"),
        (2, "g~"),
        (1, "~"),
    ],
)
def test_a_line_has_as_many_details_as_there_is_room_for(width: int, shown: str) -> None:
    assert lines([FETCH], width, 5) == [shown]


def test_columns_stand_below_each_other() -> None:
    assert lines([FETCH, DRIVER], 50, 2) == [
        "gpu1       1:05  ai-dev: 61 of 107 packages",
        "gpu100  1:02:05  Install | Install the driver",
    ]


@pytest.mark.parametrize(
    ("height", "last"),
    [
        (0, []),
        (1, ["200 nodes, 0:00 to 3:19: 120 ai-dev, 50 jupyter, 28 Install | Install the driver, 2 others"]),
        (3, ["198 more nodes, 0:02 to 3:19: 118 ai-dev, 50 jupyter, 28 Install | Install the driver, 2 others"]),
    ],
)
def test_what_there_is_no_room_for_is_summed_up(height: int, last: list[str]) -> None:
    works = ["ai-dev"] * 120 + ["jupyter"] * 50 + [DRIVER.work] * 28 + ["a", "b"]
    rows = [Row(f"gpu{number}", number, work) for number, work in enumerate(works)]
    shown = lines(rows, 120, height)
    assert len(shown) == height
    assert shown[-1:] == last


def test_names_of_nodes_and_tasks_move_nothing() -> None:
    rows = [Row("a\x1b[2J\nb", 1, "t\r\x1b[A"), Row("長い名前" * 20, 1, "t"), Row("c", 1, "t")]
    shown = lines(rows, 60, 3)
    assert shown[0].startswith(r"a\x1b[2J b ")
    assert not any(set(line) & set("\x1b\r\n") for line in shown)
    assert {get_text_width(line) for line in shown[1:]} == {len(shown[2])}
    assert all(get_text_width(line) <= 60 for line in shown)


def test_nobody_at_work() -> None:
    assert lines([], 80, 12) == []
