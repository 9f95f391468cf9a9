# SPDX-License-Identifier: GPL-3.0-or-later
"""A straight line through what was measured."""

from __future__ import annotations

import pytest

from bench.fit import fit


@pytest.mark.parametrize(
    ("points", "constant", "each", "residual"),
    [
        ([(1, 3), (10, 12)], 2, 1, 0),
        ([(1, 3), (10, 12), (50, 52)], 2, 1, 0),
        ([(0, 1), (1, 0), (2, 1)], 2 / 3, 0, 2 / 3),
        ([(1, 5), (1, 7), (3, 6)], 6, 0, 1),
    ],
)
def test_a_line_is_the_nearest(
    points: list[tuple[float, float]], constant: float, each: float, residual: float
) -> None:
    line = fit(points)
    assert (line.constant, line.each, line.residual) == pytest.approx((constant, each, residual), abs=1e-9)


def test_a_line_goes_on_beyond_its_points() -> None:
    assert fit([(1, 3), (10, 12)]).at(10_000) == pytest.approx(10_002)
