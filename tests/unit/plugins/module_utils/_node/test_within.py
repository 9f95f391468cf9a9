# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.within import Late, within


def test_what_a_call_returns_or_raises_is_the_callers() -> None:
    assert within(60, lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 // 0)


def test_a_call_is_waited_for_no_longer_than_told() -> None:
    never = threading.Event()
    with pytest.raises(Late, match=r"^timed out after 0\.01 s"):
        within(0.01, never.wait)
    never.set()
