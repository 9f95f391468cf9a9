# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node that pulls remembers of its runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import state as states
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.state import State


def test_what_is_remembered_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert states.read(str(path)) == State()
    known = State("abc", "2026-11-29T08:00:00Z", states.APPLIED, "2026-11-29T07:00:00Z", "2026-11-29T07:59:00Z")
    states.write(str(path), known)
    assert states.read(str(path)) == known
    assert path.stat().st_mode & 0o777 == 0o600


def test_since_is_when_a_streak_began() -> None:
    first = State().after(states.UNREACHABLE, "1")
    second = first.after(states.UNREACHABLE, "2")
    third = second.after(states.APPLIED, "3")
    assert [state.since for state in (first, second, third)] == ["1", "1", "3"]


@pytest.mark.parametrize("text", ["", "\0\0", "[]", '{"format": 1, "commit": 5}', '{"format": 2}'])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(EvenkeelError, match=str(path)):
        states.read(str(path))
