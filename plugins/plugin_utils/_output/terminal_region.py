# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Lines at the end of what a terminal shows that change in place, while other output goes on above them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

_ERASE_BELOW = "\x1b[J"
_UP = "\x1b[%dA"
#: A line that a terminal takes for longer than we do is cut by it, and does not become two.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
#: Other output often comes in several pieces, and a question waits for its answer below it.
_PAUSE_SECONDS = 0.2


class Lock(Protocol):
    """A lock that its holder may take again."""

    def acquire(self, blocking: bool = True) -> bool: ...

    def release(self) -> None: ...


class Region:
    """The lines, and where the terminal's cursor is.

    It is at the beginning of the last line, so that what a user types moves nothing. Above the lines, no more is erased
    than they took when they were drawn: what a terminal makes of them when it gets narrower may be left behind.

    Parameters
    ----------
    stream
        The terminal.
    lock
        Nothing is drawn while another thread holds it.
    """

    def __init__(self, stream: TextIO, lock: Lock) -> None:
        self._stream, self._lock = stream, lock
        self._shown: list[str] = []
        self._line_is_whole = True
        self._other_output = 0.0
        self._closed = False

    def room(self) -> tuple[int, int]:
        """Return how wide lines may be, and how many there may be."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 0, 0
        # Some terminals do not say their size.
        return (size.columns or 80) - 1, max((size.lines or 24) // 2, 1)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines in place of those that are shown, as soon as the other output leaves room for them."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            recent = time.monotonic() - self._other_output < _PAUSE_SECONDS
            fits = self._line_is_whole and not recent and not self._closed
            if list(lines) != self._shown and fits and _in_foreground(self._stream):
                body = f"{_NO_WRAP}{chr(10).join(lines)}{_WRAP}\r" if lines else ""
                self._put(self._erasure() + body)
                self._shown = list(lines)
        finally:
            self._lock.release()

    def erase(self) -> None:
        """Show none of the lines."""
        with self._held():
            if self._shown:
                self._put(self._erasure())
                self._shown = []

    def close(self) -> None:
        """Show none of the lines, whatever is drawn from now on."""
        with self._held():
            self.erase()
            self._closed = True

    def forget(self) -> None:
        """Take what is shown for other output, which others may have moved."""
        self._shown = []

    def write(self, stream: TextIO, text: str) -> int:
        """Write other output."""
        with self._held():
            self.erase()
            written = stream.write(text)
            if text:
                self._line_is_whole = text.endswith("\n")
                self._other_output = time.monotonic()
            return written

    def _erasure(self) -> str:
        if not self._shown:
            return ""
        return "\r" + (_UP % (len(self._shown) - 1) if len(self._shown) > 1 else "") + _ERASE_BELOW

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # the terminal is gone, or can't show a letter
            self._stream.write(text)
            self._stream.flush()

    @contextlib.contextmanager
    def _held(self) -> Any:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()


class Above:
    """A stream of other output; for all but writing it is the stream itself."""

    def __init__(self, stream: TextIO, region: Region) -> None:
        self._stream, self._region = stream, region

    def write(self, text: str) -> int:
        """Write above the region."""
        return self._region.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _in_foreground(stream: TextIO) -> bool:
    """Return whether the terminal is this program's to write to, and not its shell's."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # it is no shell's
        return True
