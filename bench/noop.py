# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a run of site.yml that changes nothing with two yardsticks, side by side in one run.

The yardsticks are a play of 50 tasks that do nothing, and a pyinfra deploy that asserts the same state as site.yml.
All three run against the same node, in turn, after a warm-up. Beside the clock, it reads the processors' time on the
control node and on the node, where each reading itself counts for some 0.05 seconds. It reports; it judges nothing.

    make bench
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from bench.fleet import write_inventory
from lab import process
from lab.nodes import nodes, ssh

ROOT = Path(__file__).parents[1]
ROUNDS = 5
PYINFRA = ("bench/pyinfra_inventory.py", "bench/pyinfra_deploy.py")
LINKS = "/opt/miniconda3 /opt/evenkeel/envs/*"
FILES = " ".join(
    (
        "/etc/profile.d/evenkeel-conda.sh",
        "/etc/conda/condarc.d/evenkeel.yml",
        "/usr/local/share/jupyter/kernels/*/kernel.json",
        "/etc/evenkeel/jupyter/jupyter_server_config.py",
        "/etc/evenkeel/jupyter/jupyter/settings.json",
        "/etc/systemd/system/jupyter@.service",
        "/etc/systemd/system/jupyter-proxy@.s*",
        "/etc/systemd/system/jupyter*@jupyter.s*.d/evenkeel.conf",
    )
)


@dataclass(frozen=True)
class Cost:
    """What a run took, in seconds: on the clock, and of the processors of the control node and of the node."""

    wall: float
    control: float
    node: float


def keep_state(address: str, directory: Path) -> None:
    """Copy what site.yml keeps on the node at ``address``, for pyinfra to assert the same."""
    listed = remote(address, f"for link in {LINKS}; do echo $link $(readlink $link); done")
    (directory / "links").write_text(listed)
    for path in remote(address, f"ls {FILES}").split():
        copy = directory / "files" / path.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(remote(address, f"cat {path}"))


def remote(address: str, script: str) -> str:
    """Run a line of shell as root on the node."""
    return process.run(ssh.command(address, remote=("sudo", "sh", "-c", shlex.quote(script))), remedy="make demo")


def node_cpu(address: str) -> float:
    """Return the seconds that the node's processors have worked so far."""
    shown = remote(address, "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat")
    first = shown.split()
    return int(first[1]) / 1e6 if first[0] == "usage_usec" else int(first[0]) / 1e9


def measured(argv: list[str], address: str) -> Cost:
    """Run ``argv`` to its end, and return what it took."""
    before, begin = node_cpu(address), time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _pid, process.returncode, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{' '.join(argv)} has failed:\n{output.read()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, node_cpu(address) - before)


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
        keep_state(node.address, state)
        os.environ |= {"EVENKEEL_BENCH_NODE": node.name, "EVENKEEL_BENCH_STATE": directory, "PYTHONPATH": str(ROOT)}
        # Not the demo's own, which asks the lab in a process of its own.
        source = write_inventory(state / "inventory", [node])
        playbook = [sys.executable, "-m", "ansible", "playbook", "--inventory", str(source)]
        environments = f"conda_environments_directory={ROOT / 'lab' / 'environments'}"
        commands = {
            "site.yml, nothing to change": [*playbook, "site.yml", "--extra-vars", environments],
            "50 tasks that do nothing": [*playbook, str(write_noops(state))],
            "pyinfra, the same state": [pyinfra, "--yes", *PYINFRA],
        }
        taken: dict[str, list[Cost]] = {name: [] for name in commands}
        for turn in range(ROUNDS + 1):
            for name, argv in commands.items():
                cost = measured(argv, node.address)
                if turn:
                    taken[name].append(cost)
    Console().print(table(node.name, taken))


def table(node: str, taken: Mapping[str, Sequence[Cost]]) -> Table:
    """Return the medians side by side."""
    title = f"medians of {ROUNDS} rounds against {node}, in seconds"
    shown = Table("run", "wall", "min", "max", "ratio to pyinfra", "CPU control", "CPU node", title=title)
    base = statistics.median(cost.wall for cost in taken["pyinfra, the same state"])
    for name, costs in taken.items():
        walls = [cost.wall for cost in costs]
        median = statistics.median(walls)
        shown.add_row(
            name,
            *(f"{value:.1f}" for value in (median, min(walls), max(walls))),
            f"{median / base:.2f}",
            f"{statistics.median(cost.control for cost in costs):.2f}",
            f"{statistics.median(cost.node for cost in costs):.2f}",
        )
    return shown


if __name__ == "__main__":
    main()
