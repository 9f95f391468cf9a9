# SPDX-License-Identifier: GPL-3.0-or-later
"""A straight line through what was measured, and what it says of fleets that nobody has measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """The straight line nearest to some points, by least squares.

    Attributes
    ----------
    constant
        What a run takes whatever the number of hosts.
    each
        What each host adds.
    residual
        How far the point that is the farthest off lies from the line.
    """

    constant: float
    each: float
    residual: float

    def at(self, hosts: float) -> float:
        """Return what the line says of so many hosts."""
        return self.constant + self.each * hosts


def fit(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line nearest to pairs of hosts and what they took; there are at least two numbers of hosts."""
    found = statistics.linear_regression(*zip(*points, strict=True))
    line = Line(found.intercept, found.slope, 0.0)
    return Line(line.constant, line.each, max(abs(taken - line.at(hosts)) for hosts, taken in points))
