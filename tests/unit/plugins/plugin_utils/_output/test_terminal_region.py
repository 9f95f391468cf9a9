# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that change in place; what programs show with them is in the tests of the callback."""

from __future__ import annotations

import io
import threading

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.terminal_region import Region

from tests.unit.plugins.callback.screen import Screen


def test_a_closed_region_shows_nothing_whatever_a_slow_thread_still_draws() -> None:
    terminal = io.StringIO()
    region = Region(terminal, threading.RLock())
    region.draw(["gpu1  0:10  Build"])
    assert Screen(40, 24).feed(terminal.getvalue()).seen == ["gpu1  0:10  Build"]
    region.close()
    region.draw(["gpu1  0:11  Build"])
    assert Screen(40, 24).feed(terminal.getvalue()).seen == [""]
