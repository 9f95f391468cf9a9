# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark of fleets makes of what it has measured."""

from __future__ import annotations

from bench import fleet
from bench.lab_fleet import SAME, Cost, groups
from bench.meter import Counters, Spent
from bench.pulling_node import Pulled
from bench.switching import Switched


def spent(cpu: float, *, alone: float = 100.0, peak: float = 100.0, workers: int = 0) -> Spent:
    return Spent(1.0, cpu, alone, peak, workers)


def cells(table: object, *columns: int) -> list[list[str]]:
    return [list(table.columns[column].cells) for column in columns]  # type: ignore[attr-defined]


def test_each_further_host_is_counted_from_the_first_run() -> None:
    runs = [(1, spent(2.0)), (11, spent(4.0)), (101, spent(42.0, peak=300.0, workers=50))]
    assert cells(fleet.control_table(SAME, runs), 3, 5) == [["", "0.200", "0.400"], ["0", "0", "4"]]


def test_what_nodes_take_is_shown_for_each_of_them() -> None:
    costs = [Cost(4, spent(2.0), Counters(10.0, 900_000_000, 800_000_000))]
    assert cells(fleet.nodes_table(SAME, costs), 3, 4, 5) == [["2.50"], ["200.00"], ["25.00"]]
    points = fleet.nodes_points(costs)
    assert points["CPU s of the nodes"] == [(4, 10.0)]
    assert points["MB from the control node"] == [(4, 100.0)]


def test_a_fit_says_what_large_fleets_take() -> None:
    table = fleet.fit_table("fits", {"CPU s": [(1, 2.5), (3, 3.5)]})
    assert cells(table, 1, 2, 3, 4, 5) == [["2"], ["0.5"], ["0"], ["502"], ["5,002"]]


def test_forks_stand_beside_what_they_take() -> None:
    table = fleet.forks_table(1.0, [(50, 5, spent(9.0, peak=200.0, workers=5)), (50, 10, spent(9.5))])
    assert cells(table, 0, 1, 3, 4, 5) == [["50", "50"], ["5", "10"], ["9.0", "9.5"], ["200", "100"], ["20", "0"]]


def test_ways_to_show_a_run_stand_side_by_side() -> None:
    table = fleet.output_table(SAME, [(50, spent(10.0), spent(11.0, alone=104.0))])
    assert cells(table, 1, 2, 3, 4, 5) == [["10.0"], ["11.0"], ["1.10"], ["100"], ["104"]]


def test_a_node_that_pulls_is_shown_by_run() -> None:
    table = fleet.pull_table({SAME: Pulled(9.0, Counters(4.0, 3_000_000, 1_000_000), 130.0)})
    assert cells(table, 0, 2, 3, 4, 5) == [[SAME], ["4.0"], ["130.0"], ["1.0"], ["2.0"]]


def test_no_node_is_in_two_groups() -> None:
    assert groups(["a", "b", "c", "d"], (1, 3)) == [["a"], ["b", "c", "d"]]  # type: ignore[list-item, comparison-overlap]


def test_parts_are_measured_all_or_as_named() -> None:
    assert fleet.parse([]).parts == ["control", "forks", "output", "nodes", "pull", "switch"]
    assert fleet.parse(["--parts", "pull", "nodes"]).parts == ["pull", "nodes"]


def test_a_switch_is_shown_apart_from_the_builds_before_it() -> None:
    table = fleet.switch_table(Switched(10, spent(9.0), 7.25, 1.5, spent(4.0), 0.5))
    assert cells(table, 1) == [["1.0", "7.2", "1.5", "1.0", "0.5"]]
