# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of fleets makes of what it has measured."""

from __future__ import annotations

from bench.fleet import Cost, table


def test_each_further_host_is_counted_from_the_first_run() -> None:
    costs = [Cost(1, 3.0, 2.0, 10.0), Cost(11, 4.0, 4.0, 20.0), Cost(101, 40.0, 42.0, 30.0)]
    further, ratio = list(table("site.yml", costs).columns)[3:5]
    assert list(further.cells) == ["", "0.200", "0.400"]
    assert list(ratio.cells) == ["", "1.00", "2.00"]
