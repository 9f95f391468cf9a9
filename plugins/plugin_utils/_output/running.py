# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which tasks run on which nodes, since when, and how far they are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_channel import Message
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import Progress, pace, reported

#: A rate is that of so many readings.
_SAMPLES = 8


class Row(NamedTuple):
    """A node at work.

    Attributes
    ----------
    host
        Its name in the inventory.
    seconds
        For how long.
    work
        At which task, or what it makes.
    details
        How far it is; the most important first.
    """

    host: str
    seconds: float
    work: str
    details: tuple[str, ...] = ()


@dataclass
class _Work:
    task: str
    began: float
    label: str = ""
    samples: deque[tuple[float, Progress]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    def row(self, host: str, now: float) -> Row:
        details = (reported(self.samples[-1][1]), *pace(self.samples)) if self.samples else ()
        return Row(host, now - self.began, self.label or self.task, details)


class Running:
    """Follows a run. One thread reports tasks to it; another one may ask, and report progress."""

    def __init__(self) -> None:
        self._works: dict[str, _Work] = {}

    def started(self, host: str, task: str, now: float) -> None:
        """Note that a node has begun a task."""
        self._works[host] = _Work(task, now)

    def progressed(self, message: Message, now: float) -> None:
        """Note how far a node is; what comes after the end of its task is late."""
        work = self._works.get(message.host)
        if work is None:
            return
        if work.label != message.label:  # the next item of a loop
            work.label = message.label
            work.samples.clear()
        work.samples.append((now, message.progress))

    def item_ended(self, host: str) -> None:
        """Note that a node has ended an item of its task's loop, and goes on."""
        work = self._works.get(host)
        if work is not None:
            self._works[host] = _Work(work.task, work.began)

    def ended(self, host: str) -> None:
        """Note that a node has ended its task."""
        self._works.pop(host, None)

    def clear(self) -> None:
        """Forget all nodes."""
        self._works.clear()

    def rows(self, now: float, after: float) -> list[Row]:
        """Return the nodes whose task has run for so many seconds, in the order in which they began."""
        return [work.row(host, now) for host, work in list(self._works.items()) if now - work.began >= after]
