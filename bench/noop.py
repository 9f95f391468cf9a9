# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a run of site.yml that changes nothing with two yardsticks, side by side in one run.

The yardsticks are a play of 50 tasks that do nothing, and a pyinfra deploy that asserts the same state as site.yml.
All three run against the same node, in turn, after a warm-up. It reports; it judges nothing.

    make bench
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from lab import process
from lab.nodes import nodes, ssh

ROOT = Path(__file__).parents[1]
ROUNDS = 3
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


def seconds(argv: list[str]) -> float:
    """Run ``argv`` to its end and return the seconds on the wall clock."""
    start = time.perf_counter()
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start


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
    node = nodes.find("demo")[0]
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        keep_state(node.address, state)
        os.environ |= {"EVENKEEL_BENCH_NODE": node.name, "EVENKEEL_BENCH_STATE": directory, "PYTHONPATH": str(ROOT)}
        report(node.name, write_noops(state))


def report(node: str, noops: Path) -> None:
    """Run everything in turn, and print the table."""
    playbook = [sys.executable, "-m", "ansible", "playbook", "--inventory", "inventories/demo", "--limit", node]
    commands = {
        "site.yml, nothing to change": [*playbook, "site.yml"],
        "50 tasks that do nothing": [*playbook, str(noops)],
        "pyinfra, the same state": [sys.executable, "-m", "pyinfra", "--yes", *PYINFRA],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, argv in commands.items():
            took = seconds(argv)
            if turn:
                taken[name].append(took)

    table = Table("run", "median s", "min s", "max s", "ratio to site.yml", title=f"{ROUNDS} rounds against {node}")
    base = statistics.median(taken["site.yml, nothing to change"])
    for name, values in taken.items():
        median = statistics.median(values)
        table.add_row(name, f"{median:.1f}", f"{min(values):.1f}", f"{max(values):.1f}", f"{median / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
