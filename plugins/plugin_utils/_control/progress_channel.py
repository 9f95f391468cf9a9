# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How the workers of a run report their progress to its main process: through a pipe that they inherit."""

from __future__ import annotations

import contextlib
import json
import os
import select
from typing import Any, NamedTuple

_LARGEST_READ = 1 << 20


class Message(NamedTuple):
    """How far a module is.

    Attributes
    ----------
    host
        The node's name in the inventory.
    label
        What the module is making.
    progress
        What the module wrote, as ``progress_line.checked`` returns it.
    """

    host: str
    label: str
    progress: dict[str, Any]


class Channel:
    """The main process opens it before it forks its workers; what does not fit into the pipe is left out."""

    def __init__(self) -> None:
        self._ends: tuple[int, int] | None = None
        self._begun = b""

    def open(self) -> int:
        """Open the channel where that was not done, and return the descriptor that is readable as messages come."""
        if self._ends is None:
            self._ends = os.pipe()
            for end in self._ends:
                os.set_blocking(end, False)
        return self._ends[0]

    @property
    def is_open(self) -> bool:
        """Whether there is somebody who reads messages."""
        return self._ends is not None

    def send(self, message: Message) -> None:
        """Send a message."""
        line = json.dumps(message).encode() + b"\n"
        # A longer one could be torn apart by others.
        if self._ends is not None and len(line) <= select.PIPE_BUF:
            with contextlib.suppress(OSError):
                os.write(self._ends[1], line)

    def received(self) -> list[Message]:
        """Return the messages that have come."""
        try:
            read = os.read(self.open(), _LARGEST_READ)
        except BlockingIOError:
            return []
        *lines, self._begun = (self._begun + read).split(b"\n")
        return [Message(*json.loads(line)) for line in lines]


#: Of this run.
CHANNEL = Channel()
