# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading

import pytest

from lab import wait
from lab.errors import LabError


def test_it_waits_for_the_condition() -> None:
    answers = iter([False, False, True])
    wait.until(lambda: next(answers), "it comes", "remedy", seconds=5)
    assert next(answers, "asked no more") == "asked no more"


def test_it_gives_up_in_time() -> None:
    with pytest.raises(LabError, match="it never comes"):
        wait.until(lambda: False, "it never comes", "remedy", seconds=0)


def test_it_stops_when_told() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(LabError, match="stopped waiting"):
        wait.until(lambda: False, "it never comes", "remedy", seconds=60, stop=stop)
