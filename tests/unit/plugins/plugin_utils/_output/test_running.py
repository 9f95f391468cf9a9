# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import Message
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.running import Row, Running


def message(packages: int, label: str = "ai-dev", host: str = "gpu1") -> Message:
    progress = {"step": "link", "packages": packages, "of": 107, "bytes": 0, "of_bytes": 0}
    return Message(host, label, progress)


def test_a_node_is_shown_while_its_task_takes_long() -> None:
    running = Running()
    running.started("gpu1", "Build", 100)
    running.started("gpu2", "Build", 104)
    assert running.rows(109, 10) == []
    assert running.rows(110, 10) == [Row("gpu1", 10, "Build")]
    assert running.rows(114, 10) == [Row("gpu1", 14, "Build"), Row("gpu2", 10, "Build")]
    running.ended("gpu1")
    assert running.rows(114, 10) == [Row("gpu2", 10, "Build")]
    running.started("gpu2", "Next", 115)
    assert running.rows(116, 10) == []
    running.clear()
    assert running.rows(999, 10) == []


def test_a_node_shows_how_far_it_is_with_each_item_of_a_loop() -> None:
    running = Running()
    running.started("gpu1", "Build", 100)
    running.progressed(message(7), 110)
    running.progressed(message(57), 120)
    assert running.rows(120, 10) == [Row("gpu1", 20, "ai-dev", ("linked 57 of 107", "0:10 left"))]
    running.progressed(message(3, "jupyter"), 130)
    assert running.rows(130, 10) == [Row("gpu1", 30, "jupyter", ("linked 3 of 107",))]
    running.item_ended("gpu1")
    assert running.rows(131, 10) == [Row("gpu1", 31, "Build")]
    running.item_ended("gpu2")
    assert running.rows(131, 0) == [Row("gpu1", 31, "Build")]


def test_what_is_told_of_a_task_that_has_ended_is_late() -> None:
    running = Running()
    running.progressed(message(7), 110)
    running.ended("gpu1")
    assert running.rows(120, 0) == []
