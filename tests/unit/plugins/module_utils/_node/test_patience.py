# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience

NOW = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, which stands still."""
    now = [NOW]
    monkeypatch.setattr(patience.time, "monotonic", lambda: now[0])
    return now


def test_a_run_is_as_patient_as_its_callers_want() -> None:
    with patience.asking_once(None, 60):
        found = (patience.asks_once(), patience.for_answer(90), patience.in_all(300, 0.5), patience.retries(3))
    assert found == (False, 90, 300, 3)


def test_a_preflight_asks_once_and_has_an_end(clock: list[float]) -> None:
    with patience.asking_once(10, 60):
        assert patience.asks_once()
        assert (patience.for_answer(90), patience.for_answer(5)) == (10, 5)
        assert patience.retries(3) == 0
        clock[0] = NOW + 20
        assert (patience.in_all(300), patience.in_all(300, 0.5), patience.in_all(7)) == (40, 20, 7)
        clock[0] = NOW + 600
        assert patience.in_all(300) == 10
    assert not patience.asks_once()
