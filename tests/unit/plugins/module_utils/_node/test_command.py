# SPDX-License-Identifier: GPL-3.0-or-later
"""How programs of the node are run, and how they end."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

HANG = [sys.executable, "-c", "import signal; signal.pause()"]


def test_a_program_that_takes_too_long_is_an_error_of_its_own() -> None:
    with pytest.raises(command.TimedOut, match=r"signal\.pause\(\)` did not end within 0 seconds"):
        command.run(HANG, timeout=0.01)


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(EvenkeelError, match="There is no program no-such-program") as raised:
        command.run(["no-such-program"])
    assert not isinstance(raised.value, command.TimedOut)
