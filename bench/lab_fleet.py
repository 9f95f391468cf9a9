# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of the lab: what a run of site.yml takes on them, upstream and on the control node, beside pyinfra.

Bare nodes are set up in groups of different sizes. Then the same groups are run where nothing has changed, and with one
package more in one environment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import asserted_state, meter, site
from bench.meter import Counters, Gauge, Spent
from bench.site import CHANGED, CHANGED_ENVIRONMENT, DECLARED, Site
from lab import demo
from lab.nodes.nodes import Node
from lab.upstream import mirror

GROUP = "bench"
FIRST, SAME, CHANGE = "first run", "no change", "one change"
PYINFRA = "pyinfra: "


@dataclass(frozen=True)
class Cost:
    """What a run took, on the control node and on all its nodes together."""

    hosts: int
    control: Spent
    nodes: Counters


def groups(fleet: Sequence[Node], sizes: Sequence[int]) -> list[Sequence[Node]]:
    """Return groups of these sizes, of which no two have a node in common."""
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [fleet[start : start + size] for start, size in zip(starts, sizes, strict=True)]


def runs(place: Site, sizes: Sequence[int], pyinfra: str) -> dict[str, list[Cost]]:
    """Measure each kind of run on bare nodes, in groups of these sizes; pyinfra only where it is given."""
    fleet = site.fresh_nodes(GROUP, sum(sizes))
    source = site.write_inventory(place.folder / "lab-inventory", fleet)
    variables = {"ANSIBLE_CACHE_PLUGIN_CONNECTION": str(place.folder / "lab-facts")}

    def run(state: str, of: Sequence[Node]) -> Cost:
        limit = ["--limit", ",".join(node.name for node in of)]
        return measured(place.playbook(source, state, "site.yml", *limit), variables, of)

    parts = groups(fleet, sizes)
    found = {FIRST: [run(DECLARED, of) for of in parts], SAME: [run(DECLARED, of) for of in [*parts, fleet]]}
    if pyinfra:
        found |= of_pyinfra(pyinfra, place, parts, fleet)
    return {**found, CHANGE: [run(CHANGED, of) for of in parts]}


def of_pyinfra(
    pyinfra: str, place: Site, parts: Sequence[Sequence[Node]], fleet: Sequence[Node]
) -> dict[str, list[Cost]]:
    """Measure pyinfra on nodes that site.yml has set up, with environments that conda makes.

    Its first run makes the environments alone: all else is there.
    """
    state = place.folder / "pyinfra"
    asserted_state.keep(fleet[0].address, state)
    mirrors = {"https://repo.anaconda.com": f"{mirror.url()}/anaconda"}

    def add(name: str, of: str) -> None:
        asserted_state.add_environment(state, name, of, lock(place.folder / of / name), mirrors)

    def run(of: Sequence[Node]) -> Cost:
        return measured(*asserted_state.command(pyinfra, state, of), of)

    for folder in sorted(demo.SOURCES.iterdir()):
        add(folder.name, DECLARED)
    found = {
        f"{PYINFRA}{FIRST}": [run(of) for of in parts],
        f"{PYINFRA}{SAME}": [run(of) for of in [*parts, fleet]],
    }
    add(CHANGED_ENVIRONMENT, CHANGED)
    return {**found, f"{PYINFRA}{CHANGE}": [run(of) for of in parts]}


def lock(folder: Path) -> Path:
    """Return the lock of an environment."""
    return folder / "conda-lock.yml"


def measured(argv: Sequence[str], variables: Mapping[str, str], of: Sequence[Node]) -> Cost:
    """Run a program to its end, and return what it took."""
    gauge = Gauge(of)
    before = gauge.read()
    spent = meter.run(argv, variables)
    return Cost(len(of), spent, gauge.read().since(before))
