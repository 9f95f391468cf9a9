# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on a terminal of its own, and what somebody sees there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.unit.plugins.callback.screen import Screen

#: How long a program may say nothing new, or take to what is waited for; machines may be slow.
_SECONDS = 600.0


class Run:
    """A program, such as a run of a playbook, on a terminal of its own."""

    def __init__(self, argv: Sequence[str], folder: Path, variables: Mapping[str, str], columns: int = 80) -> None:
        self.output = ""
        self.columns = columns
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(argv[0], argv, variables)  # noqa: S606
        self.resize(columns)

    def resize(self, columns: int) -> None:
        """Make the terminal so wide."""
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def answer(self, question: str, answer: str) -> list[str]:
        """Type an answer as soon as the question is asked; return what somebody sees before."""
        seen = self.until(lambda lines: question in "\n".join(lines))
        while termios.tcgetattr(self.terminal)[3] & termios.ICANON:
            time.sleep(0.01)
        os.write(self.terminal, f"{answer}\r".encode())
        return seen

    def screen(self) -> list[str]:
        """Return what somebody sees by now."""
        return Screen(self.columns, 24).feed(self.output).seen

    def until(self, holds: Callable[[list[str]], Any]) -> list[str]:
        """Return what somebody sees as soon as it is as wanted."""
        deadline = time.monotonic() + _SECONDS
        while not holds(seen := self.screen()):
            assert self._read(deadline), "\n".join(seen)
        return seen

    def end(self) -> int:
        """Return the exit status."""
        while self._read(time.monotonic() + _SECONDS):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self, deadline: float) -> bool:
        if not select.select([self.terminal], [], [], max(deadline - time.monotonic(), 0))[0]:
            return False
        try:
            read = os.read(self.terminal, 65536).decode(errors="replace")
        except OSError:  # the last process that held the other end is gone
            return False
        self.output += read
        return bool(read)
