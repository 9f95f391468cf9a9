# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a run of site.yml that changes nothing with two yardsticks, side by side in one run.

The yardsticks are a play of 50 tasks that do nothing, and a pyinfra deploy that asserts the same state as site.yml.
All three run against the same node, in turn, after a warm-up. Beside the clock, it reads the processors' time on the
control node and on the node. It reports; it judges nothing.

    make bench
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from bench import asserted_state
from bench.lab_fleet import Cost, measured
from bench.site import write_inventory
from lab import demo
from lab.nodes import nodes

ROUNDS = 5
PYINFRA = "pyinfra, the same state"


def write_noops(directory: Path) -> Path:
    """Write a play of 50 tasks that do nothing."""
    play = {
        "name": "Do nothing fifty times",
        "hosts": "gpu_nodes",
        "become": True,
        "gather_facts": False,
        "tasks": [{"name": f"Do nothing, number {number}", "ansible.builtin.ping": {}} for number in range(1, 51)],
    }
    path = directory / "noop.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False))
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pyinfra", default="pyinfra", help="the program, from a virtual environment of its own")
    pyinfra = parser.parse_args().pyinfra
    node = nodes.find("demo")[0]
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        asserted_state.keep(node.address, state / "pyinfra")
        # Not the demo's own, which asks the lab in a process of its own.
        source = write_inventory(state / "inventory", [node])
        playbook = [sys.executable, "-m", "ansible", "playbook", "--inventory", str(source)]
        environments = f"conda_environments_directory={demo.SOURCES}"
        commands = {
            "site.yml, nothing to change": ([*playbook, "site.yml", "--extra-vars", environments], {}),
            "50 tasks that do nothing": ([*playbook, str(write_noops(state))], {}),
            PYINFRA: asserted_state.command(pyinfra, state / "pyinfra", [node]),
        }
        taken: dict[str, list[Cost]] = {name: [] for name in commands}
        for turn in range(ROUNDS + 1):
            for name, (argv, variables) in commands.items():
                cost = measured(argv, variables, [node])
                if turn:
                    taken[name].append(cost)
    Console().print(table(node.name, taken))


def table(node: str, taken: Mapping[str, Sequence[Cost]]) -> Table:
    """Return the medians side by side."""
    title = f"medians of {ROUNDS} rounds against {node}, in seconds"
    shown = Table("run", "wall", "min", "max", "ratio to pyinfra", "CPU control", "CPU node", title=title)
    base = statistics.median(cost.control.wall for cost in taken[PYINFRA])
    for name, costs in taken.items():
        walls = [cost.control.wall for cost in costs]
        median = statistics.median(walls)
        shown.add_row(
            name,
            *(f"{value:.1f}" for value in (median, min(walls), max(walls))),
            f"{median / base:.2f}",
            f"{statistics.median(cost.control.cpu for cost in costs):.2f}",
            f"{statistics.median(cost.nodes.cpu for cost in costs):.2f}",
        )
    return shown


if __name__ == "__main__":
    main()
