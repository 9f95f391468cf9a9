# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the rooms: each above what it imports, and never older than its source."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from maintenance import draw_rooms


def rooms(**imports: list[str]) -> dict[str, Any]:
    return {f"module_utils/{name}": {"holds": "", "imports": others} for name, others in imports.items()}


def test_the_picture_is_of_today() -> None:
    drawn = draw_rooms.draw(yaml.safe_load(draw_rooms.SOURCE.read_text()))
    assert draw_rooms.PICTURE.read_text() == drawn, "run `make docs`"


def test_a_direct_way_beside_an_indirect_one_is_not_drawn() -> None:
    found = draw_rooms.arrows(rooms(a=["module_utils/b", "module_utils/c"], b=["module_utils/c"], c=[]))
    assert found == {
        "module_utils/a": {"module_utils/b"},
        "module_utils/b": {"module_utils/c"},
        "module_utils/c": set(),
    }


@pytest.mark.parametrize(("upper", "lower"), [("a", "b"), ("b", "c"), ("a", "d")])
def test_a_room_stands_above_what_it_imports(upper: str, lower: str) -> None:
    found = draw_rooms.boxes(rooms(d=[], c=[], b=["module_utils/c"], a=["module_utils/b", "module_utils/d"]))
    places = {box.room: box.y for box in found}
    assert places[f"module_utils/{upper}"] < places[f"module_utils/{lower}"]
