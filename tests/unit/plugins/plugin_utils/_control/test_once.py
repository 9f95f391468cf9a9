# SPDX-License-Identifier: GPL-3.0-or-later
"""The first worker computes; the others have its answer, or its error."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once


def fail() -> Any:
    raise EvenkeelError("It failed", "Look at it")


def again() -> Any:
    raise AssertionError("it is computed again")


@pytest.mark.parametrize("value", [[1, "a"], [], 0])
def test_an_answer_is_computed_once(tmp_path: Path, value: object) -> None:
    assert computed_once(tmp_path / "answer", lambda: value) == value
    assert computed_once(tmp_path / "answer", again) == value


def test_an_error_is_the_answer_of_all(tmp_path: Path) -> None:
    for compute in (fail, again):
        with pytest.raises(EvenkeelError, match=r"^It failed\. Look at it") as raised:
            computed_once(tmp_path / "answer", compute)
        assert (raised.value.what, raised.value.remedy) == ("It failed", "Look at it")


def test_nothing_is_not_kept(tmp_path: Path) -> None:
    assert computed_once(tmp_path / "answer", lambda: None) is None
    assert computed_once(tmp_path / "answer", lambda: 1) == 1


def test_others_wait_for_the_answer(tmp_path: Path) -> None:
    def compute() -> str:
        with (tmp_path / "answer").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return "done"

    assert computed_once(tmp_path / "answer", compute) == "done"
