# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what a fleet costs: its control node, its nodes, and what is upstream of them. It reports; it judges nothing.

    control   the control node alone, with 1 to 1,000 hosts that are not there and answer as a recorded node has
    forks     the same with some latency, for different numbers of forks
    output    the same with the callbacks that show a run, and with Ansible's own output alone
    nodes     nodes of the lab: bare, without a change and with one, beside pyinfra
    pull      a node that runs site.yml itself
    switch    nodes of the lab: a rollout of what they have built, and the way back

What is said of 1,000 and 10,000 hosts is a straight line through what was measured.

    make bench-fleet
    make bench-fleet PARTS="nodes pull"
    PYTHONPATH=collections python -m bench.fleet --parts control --hosts 1 10 50 --playbook playbooks/drift.yml
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import lab_fleet, pulling_node, recorded_fleet, site, switching
from bench.fit import Line, fit
from bench.lab_fleet import CHANGE, FIRST, SAME, Cost
from bench.meter import Spent
from bench.pulling_node import Pulled
from bench.recorded_fleet import Recording
from bench.site import CHANGED, DECLARED, Site
from bench.switching import Switched
from lab.errors import LabError
from lab.nodes.nodes import Node

#: Groups of nodes of the lab, of which no two have a node in common.
SIZES = (1, 3, 6)
SWITCHED = 10
#: Hosts that are not there.
HOSTS = (1, 10, 50, 200, 1000)
FORKS, FORKED_HOSTS, LATENCY = (5, 10, 20, 50, 100), (50, 200), 1.0
SHOWN_HOSTS = (50, 200)
LARGE = (1000, 10000)
#: Times that each way to show a run is measured, in turn; the cheapest counts.
TURNS = 2
_DEFAULT = "ansible.builtin.default"
PLAIN = {"ANSIBLE_STDOUT_CALLBACK": _DEFAULT, "ANSIBLE_CALLBACKS_ENABLED": _DEFAULT}
CONSOLE = Console(highlight=False, width=120)

Points = Mapping[str, Sequence[tuple[float, float]]]


def main() -> None:
    """Measure and print."""
    arguments = parse(sys.argv[1:])
    CONSOLE.print(conditions())
    with tempfile.TemporaryDirectory() as directory:
        place = Site(Path(directory))
        try:
            (node,) = site.fresh_nodes(recorded_fleet.GROUP, 1)
            place.lock(site.write_inventory(place.folder / "first-inventory", [node]))
            for name, part in PARTS.items():
                if name in arguments.parts:
                    part(place, node, arguments)
        except LabError as error:
            sys.exit(str(error))
        finally:
            site.remove_nodes(recorded_fleet.GROUP, lab_fleet.GROUP, pulling_node.GROUP, switching.GROUP)
    CONSOLE.print(conditions())


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure (all)")
    parser.add_argument("--hosts", type=int, nargs="+", default=list(HOSTS), help="hosts where nothing changes")
    parser.add_argument("--changed-hosts", type=int, nargs="+", default=[], help="hosts where something does (none)")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="groups of nodes of the lab")
    parser.add_argument("--switched", type=int, default=SWITCHED, help="nodes of the lab that a rollout switches (10)")
    parser.add_argument("--forks", type=int, nargs="+", default=list(FORKS))
    parser.add_argument("--forked-hosts", type=int, nargs="+", default=list(FORKED_HOSTS), help="hosts for the forks")
    parser.add_argument("--shown-hosts", type=int, nargs="+", default=list(SHOWN_HOSTS), help="hosts for the output")
    parser.add_argument("--latency", type=float, default=LATENCY, help="seconds until a host of these answers (1)")
    parser.add_argument("--playbook", default="site.yml", help="what to run where nothing changes")
    parser.add_argument("--pyinfra", default="", help="the program, from a virtual environment of its own")
    return parser.parse_args(argv)


def control(place: Site, node: Node, arguments: argparse.Namespace) -> None:
    """Print what the control node takes."""
    for name, recording in recordings(place, node, arguments.playbook).items():
        hosts = arguments.hosts if name == SAME else arguments.changed_hosts
        if hosts or name == FIRST:
            recording.record()
        if not hosts:
            continue
        spent = [(count, recording.replay(count)) for count in hosts]
        CONSOLE.print(control_table(name, spent))
        CONSOLE.print(fit_table(f"fits: {name}", control_points(spent)))


def forks(place: Site, node: Node, arguments: argparse.Namespace) -> None:
    """Print what a run takes with more or fewer hosts at a time."""
    found = recordings(place, node, arguments.playbook)
    if not found[SAME].folder.exists():
        found[FIRST].record()
        found[SAME].record()
    rows = [
        (count, number, found[SAME].replay(count, number, arguments.latency))
        for count in arguments.forked_hosts
        for number in arguments.forks
    ]
    CONSOLE.print(forks_table(arguments.latency, rows))


def output(place: Site, node: Node, arguments: argparse.Namespace) -> None:
    """Print what showing a run takes."""
    found = recordings(place, node, arguments.playbook)
    if not found[SAME].folder.exists():
        found[FIRST].record()
        found[SAME].record()
    for name, hosts in ((SAME, arguments.shown_hosts), (CHANGE, arguments.changed_hosts)):
        if name == CHANGE and hosts:
            found[CHANGE].record()
        turns = [(count, *in_turn(found[name], count)) for count in hosts]
        CONSOLE.print(output_table(name, [(count, cheapest(plain), cheapest(ours)) for count, plain, ours in turns]))


def in_turn(recording: Recording, hosts: int) -> tuple[list[Spent], list[Spent]]:
    """Run it with Ansible's own output and with ours, in turn."""
    turns = [(recording.replay(hosts, settings=PLAIN), recording.replay(hosts)) for _unused in range(TURNS)]
    return [plain for plain, _ours in turns], [ours for _plain, ours in turns]


def cheapest(runs: Sequence[Spent]) -> Spent:
    """Return the run that the rest of the machine has disturbed least."""
    return min(runs, key=lambda one: one.cpu)


def nodes(place: Site, node: Node, arguments: argparse.Namespace) -> None:
    """Print what nodes of the lab take."""
    for name, costs in lab_fleet.runs(place, arguments.sizes, arguments.pyinfra).items():
        CONSOLE.print(nodes_table(name, costs))
        if len({cost.hosts for cost in costs}) > 1:
            CONSOLE.print(fit_table(f"fits: {name}", nodes_points(costs)))


def pull(place: Site, node: Node, arguments: argparse.Namespace) -> None:
    """Print what a node that pulls takes."""
    CONSOLE.print(pull_table(pulling_node.runs(place)))


def switch(place: Site, node: Node, arguments: argparse.Namespace) -> None:
    """Print how long a rollout's switch takes."""
    CONSOLE.print(switch_table(switching.runs(place, arguments.switched)))


PARTS: Mapping[str, Callable[[Site, Node, argparse.Namespace], None]] = {
    "control": control,
    "forks": forks,
    "output": output,
    "nodes": nodes,
    "pull": pull,
    "switch": switch,
}


def recordings(place: Site, node: Node, playbook: str) -> dict[str, Recording]:
    """Return the runs of a bare node, in the order in which they must be recorded."""

    def of(name: str, state: str, what: str = "site.yml") -> Recording:
        folder = place.folder / "recorded" / name.replace(" ", "-")
        return Recording(folder, place.folder / "facts", node, lambda source: place.playbook(source, state, what))

    return {FIRST: of(FIRST, DECLARED), SAME: of(SAME, DECLARED, playbook), CHANGE: of(CHANGE, CHANGED)}


def conditions() -> str:
    """Return what the figures depend on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True).stdout
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    load = os.getloadavg()[0]
    return f"{now}, commit {commit.strip()}, {os.cpu_count()} cores, {memory:.0f} GiB, load {load:.1f}"


def control_points(spent: Sequence[tuple[int, Spent]]) -> Points:
    """Return what grows with the number of hosts."""
    return {
        "CPU s": [(hosts, one.cpu) for hosts, one in spent],
        "MiB of the main process": [(hosts, one.alone) for hosts, one in spent],
    }


def nodes_points(costs: Sequence[Cost]) -> Points:
    """Return what grows with the number of nodes."""
    return {
        "CPU s of the control node": [(cost.hosts, cost.control.cpu) for cost in costs],
        "CPU s of the nodes": [(cost.hosts, cost.nodes.cpu) for cost in costs],
        "MB from the mirror": [(cost.hosts, cost.nodes.upstream / 1e6) for cost in costs],
        "MB from the control node": [(cost.hosts, from_control(cost) / 1e6) for cost in costs],
    }


def from_control(cost: Cost) -> int:
    """Return the bytes that nodes had from elsewhere than the mirror."""
    return cost.nodes.received - cost.nodes.upstream


def control_table(title: str, spent: Sequence[tuple[int, Spent]]) -> Table:
    """Return runs side by side; the first one is the base of what each further host costs."""
    shown = Table("hosts", "wall s", "CPU s", "CPU s per further host", "MiB, main", "MiB per fork", title=title)
    base_hosts, base = spent[0]
    for hosts, one in spent:
        further = hosts - base_hosts
        each = f"{(one.cpu - base.cpu) / further:.3f}" if further else ""
        row = (f"{one.wall:.1f}", f"{one.cpu:.1f}", each, f"{one.alone:.0f}", f"{one.each:.0f}")
        shown.add_row(str(hosts), *row)
    return shown


def forks_table(latency: float, rows: Sequence[tuple[int, int, Spent]]) -> Table:
    """Return runs with different forks side by side."""
    title = f"no change; each question is answered after {latency:g} s"
    shown = Table("hosts", "forks", "wall s", "CPU s", "MiB, all", "MiB per fork", title=title)
    for hosts, number, one in rows:
        numbers = (f"{one.wall:.1f}", f"{one.cpu:.1f}", f"{one.peak:.0f}", f"{one.each:.0f}")
        shown.add_row(str(hosts), str(number), *numbers)
    return shown


def output_table(title: str, rows: Sequence[tuple[int, Spent, Spent]]) -> Table:
    """Return runs with Ansible's own output beside those with ours."""
    shown = Table("hosts", "CPU s, Ansible's output", "CPU s, ours", "ratio", "MiB, main", "MiB, ours", title=title)
    for hosts, plain, ours in rows:
        numbers = (f"{plain.cpu:.1f}", f"{ours.cpu:.1f}", f"{ours.cpu / plain.cpu:.2f}")
        shown.add_row(str(hosts), *numbers, f"{plain.alone:.0f}", f"{ours.alone:.0f}")
    return shown


def nodes_table(title: str, costs: Sequence[Cost]) -> Table:
    """Return runs of different numbers of nodes side by side."""
    headers = ("nodes", "wall s", "CPU s, control", "CPU s, each node", "MB, mirror, each", "MB, control, each")
    shown = Table(*headers, "MiB, control", title=title)
    for cost in costs:
        of_each = (cost.nodes.cpu, cost.nodes.upstream / 1e6, from_control(cost) / 1e6)
        shown.add_row(
            str(cost.hosts),
            f"{cost.control.wall:.1f}",
            f"{cost.control.cpu:.1f}",
            *(f"{value / cost.hosts:.2f}" for value in of_each),
            f"{cost.control.peak:.0f}",
        )
    return shown


def fit_table(title: str, points: Points) -> Table:
    """Return straight lines, and what they say of large fleets."""
    large = [f"at {hosts:,}" for hosts in LARGE]
    shown = Table("fit", "each run", "each host", "farthest off", *large, title=title)
    for name, of in points.items():
        line: Line = fit(of)
        values = (line.constant, line.each, line.residual)
        shown.add_row(name, *(f"{value:.3g}" for value in values), *(f"{line.at(hosts):,.0f}" for hosts in LARGE))
    return shown


def pull_table(found: Mapping[str, Pulled]) -> Table:
    """Return the runs of a node that pulls side by side."""
    shown = Table("run", "wall s", "CPU s", "MiB", "MB, mirror", "MB, elsewhere", title="a node that pulls")
    for name, one in found.items():
        elsewhere = one.node.received - one.node.upstream
        numbers = (one.wall, one.node.cpu, one.memory, one.node.upstream / 1e6, elsewhere / 1e6)
        shown.add_row(name, *(f"{number:.1f}" for number in numbers))
    return shown


def switch_table(one: Switched) -> Table:
    """Return what a switch and the way back took."""
    shown = Table("what", "seconds", title=f"one change on {one.hosts} nodes")
    rows = {
        "rollout.yml, with building": one.rollout.wall,
        "from the canary's switch to the first of the others": one.waited,
        "from the first of the others to the last": one.others,
        "rollback.yml": one.back.wall,
        "from the first node that goes back to the last": one.back_spread,
    }
    for what, seconds in rows.items():
        shown.add_row(what, f"{seconds:.1f}")
    return shown


if __name__ == "__main__":
    main()
