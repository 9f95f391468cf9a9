# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sits at a machine's console while it restarts, and has the shim's MOK manager enrol the key that waits.

``python -m lab.nodes.mok_manager GROUP NODE PASSWORD`` restarts the machine and returns when its firmware has the key.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from lab import process
from lab.errors import LabError
from lab.nodes import ssh
from lab.nodes.machines import Machine

_ENTER, _DOWN = b"\r", b"\x1b[B"
_SECONDS = 300


@dataclass(frozen=True)
class Turn:
    """What the manager shows, and the keys that answer it."""

    shown: str
    keys: tuple[bytes, ...]


def dialog(password: str) -> list[Turn]:
    """Return the whole conversation; each menu's first entry is chosen until a key moves on."""
    return [
        Turn("Press any key to perform MOK management", (_ENTER,)),
        Turn("Enroll MOK", (_DOWN, _ENTER)),
        Turn("View key 0", (_DOWN, _ENTER)),
        Turn("Enroll the key(s)?", (_DOWN, _ENTER)),
        Turn("Password:", (*(character.encode() for character in password), _ENTER)),
        Turn("Reboot", (_ENTER,)),
    ]


def enrol(machine: Machine, password: str) -> None:
    """Restart a machine whose firmware waits for a key to be enrolled, and go through the manager's menus.

    Raises
    ------
    LabError
        The manager did not show what it was to show.
    """
    with socket.socket(socket.AF_UNIX) as terminal:
        terminal.connect(str(machine.terminal))
        restart = "sudo systemd-run --quiet --on-active=1 systemctl reboot"  # the connection ends first
        process.run(ssh.command(machine.address, remote=(restart,)), remedy="is it on?")
        try:
            converse(terminal, dialog(password), seconds=_SECONDS)
        except TimeoutError as error:
            raise LabError(f"{machine.node} {error}:\n{machine.last_words()}", f"read {machine.console}") from None


def converse(terminal: socket.socket, turns: Iterable[Turn], *, seconds: float) -> None:
    """Type on a terminal what answers each turn, once it has shown it.

    Raises
    ------
    TimeoutError
        A turn did not come within ``seconds``, or the other end went away.
    """
    for turn in turns:
        end = time.monotonic() + seconds
        shown = b""
        while turn.shown.encode() not in shown:
            terminal.settimeout(max(0.1, end - time.monotonic()))
            try:
                heard = terminal.recv(4096)
            except TimeoutError:
                heard = b""
            if not heard:
                raise TimeoutError(f"did not show {turn.shown!r}")
            shown += heard
        for key in turn.keys:
            terminal.sendall(key)


def main() -> int:
    """Enrol what waits on the machine that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m lab.nodes.mok_manager", description=__doc__)
    for name in ("group", "node", "password"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    try:
        enrol(Machine(arguments.group, arguments.node), arguments.password)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
