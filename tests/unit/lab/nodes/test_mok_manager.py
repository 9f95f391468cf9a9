# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket

import pytest

from lab.nodes import mok_manager
from lab.nodes.mok_manager import Turn

TURNS = (Turn("Press any key", (b"\r",)), Turn("Enroll MOK", (b"\x1b[B", b"\r")))


def test_keys_are_typed_once_their_menu_is_shown() -> None:
    machine, somebody = socket.socketpair()
    with machine, somebody:
        machine.sendall(b"\x1b[2J Press any key to perform")
        machine.sendall(b"\x1b[23;29H Enroll MOK ")
        with pytest.raises(TimeoutError, match="did not show 'Enroll MOK'"):
            # Both came in one piece: what is behind the first turn belongs to it.
            mok_manager.converse(somebody, TURNS, seconds=0)
        assert machine.recv(100) == b"\r"
        machine.sendall(b"Enroll MOK")
        mok_manager.converse(somebody, TURNS[1:], seconds=30)
        assert machine.recv(100) == b"\x1b[B\r"


def test_a_machine_that_goes_off_is_not_waited_for() -> None:
    machine, somebody = socket.socketpair()
    machine.close()
    with somebody, pytest.raises(TimeoutError, match="Press any key"):
        mok_manager.converse(somebody, TURNS, seconds=30)


def test_the_password_is_typed_key_by_key() -> None:
    keys = next(turn.keys for turn in mok_manager.dialog("ab") if turn.shown == "Password:")
    assert keys == (b"a", b"b", b"\r")
