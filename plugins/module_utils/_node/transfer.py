# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Limits of size and speed for downloads; no server is trusted to end one."""

from __future__ import annotations

from collections.abc import Hashable

#: The slowest that all downloads together may be, in bytes a second.
SLOWEST = 10_000
#: How much more than its known size a download may bring before it is ended; its hash is wrong in any case.
SLACK_BYTES = 1 << 20
#: What a download of unknown size may bring.
MOST_BYTES = 8 << 30


def most_bytes(size: int) -> int:
    """Return how much a download may bring whose size is known to be ``size``, or unknown and 0.

    >>> most_bytes(100) == 100 + SLACK_BYTES, most_bytes(0) == MOST_BYTES
    (True, True)
    """
    return size + SLACK_BYTES if size else MOST_BYTES


def too_much(url: str, most: int) -> str:
    """Return the message for a download that exceeds its limit."""
    return "%s sends more than the %d bytes that it is allowed" % (url, most)


class Pace:
    """Whether downloads go on: within ``seconds`` they must bring ``SLOWEST`` bytes a second, or one must end.

    Parameters
    ----------
    seconds
        How long they may be slower.
    now
        The time, on a monotonic clock.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self.seconds = seconds
        self._since, self._from, self._bytes = now, 0, 0
        self._stage: Hashable = None

    @property
    def deadline(self) -> float:
        """Until when more must come."""
        return self._since + self.seconds

    def note(self, brought: int, stage: Hashable, now: float) -> None:
        """Note how many bytes have come so far.

        Parameters
        ----------
        brought
            All bytes so far.
        stage
            What differs as soon as a download begins or ends.
        now
            The time.
        """
        self._bytes = brought
        if stage != self._stage or brought - self._from >= SLOWEST * self.seconds:
            self._stage = stage
            self.restart(now)

    def restart(self, now: float) -> None:
        """Count from now on."""
        self._since, self._from = now, self._bytes

    def complaint(self) -> str:
        """Return the message for downloads that are too slow."""
        brought = self._bytes - self._from
        if brought <= 0:
            return "stood still for %g s" % self.seconds
        return "sent %d bytes in %g s; less than %d bytes a second is given up" % (brought, self.seconds, SLOWEST)
