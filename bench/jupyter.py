# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what notebook servers cost that nobody uses: for 1, 10 and 50 users, always on and on demand.

Memory is the proportional set size of all processes of the servers and of the sockets' proxies, so that what they share
counts once.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from lab import process
from lab.nodes import nodes, ssh

ROOT = Path(__file__).parents[1]
GROUP = "demo"
USERS = (1, 10, 50)
PSS = """
import glob
total = 0
for place in glob.glob("/proc/[0-9]*"):
    try:
        if "jupyter" in open(place + "/cgroup").read():
            total += sum(int(line.split()[1]) for line in open(place + "/smaps_rollup") if line.startswith("Pss:"))
    except OSError:
        pass
print(total)
"""


def remote(address: str, *argv: str) -> str:
    """Run a program as root on the node."""
    return process.run(ssh.command(address, remote=("sudo", shlex.join(argv))), remedy="make demo")


def play(directory: Path, node: str, tasks: list[dict[str, object]]) -> None:
    """Run tasks on the node as an operator does."""
    path = directory / "play.yml"
    path.write_text(yaml.safe_dump([{"hosts": node, "become": True, "tasks": tasks}]))
    argv = [sys.executable, "-m", "ansible", "playbook", "--inventory", f"inventories/{GROUP}", str(path)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(argv)} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")


def role(names: list[str], *, on_demand: bool) -> list[dict[str, object]]:
    """Return the task that keeps a server for each of these users."""
    variables = {
        "jupyter_users": [{"name": name} for name in names],
        "jupyter_on_demand": on_demand,
        "jupyter_restart_policy": "now",
        # Fifty servers that start at once, on a machine with few cores.
        "jupyter_ready_timeout": 900,
    }
    return [{"ansible.builtin.import_role": {"name": "evenkeel.gpu.jupyter"}, "vars": variables}]


def main() -> None:
    """Measure and print."""
    node = nodes.find(GROUP)[0]
    names = [f"bench{number:02}" for number in range(1, max(USERS) + 1)]
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / "collections")
    found: dict[int, dict[bool, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        account = {"ansible.builtin.user": {"name": "{{ item }}", "shell": "/bin/bash"}, "loop": names}
        play(Path(folder), node.name, [account])
        for count in USERS:
            for on_demand in (True, False):
                play(Path(folder), node.name, role(names[:count], on_demand=on_demand))
                if on_demand:
                    remote(node.address, "systemctl", "stop", *(f"jupyter@{name}" for name in names))
                found.setdefault(count, {})[on_demand] = int(remote(node.address, "python3", "-c", PSS)) >> 10
                print(
                    f"{count} users, {'on demand' if on_demand else 'always on'}: {found[count][on_demand]} MiB",
                    flush=True,
                )
        unwanted = {"ansible.builtin.user": {**account["ansible.builtin.user"], "state": "absent", "remove": True}}
        play(Path(folder), node.name, [*role([], on_demand=False), {**unwanted, "loop": names}])
    report(found)


def report(found: dict[int, dict[bool, int]]) -> None:
    """Print the table."""
    table = Table("users", "on demand, MiB", "always on, MiB", "each, MiB", title="Notebook servers that nobody uses")
    for count, memory in found.items():
        table.add_row(str(count), str(memory[True]), str(memory[False]), f"{memory[False] / count:.0f}")
    Console().print(table)
    print(
        json.dumps({count: {"on demand": memory[True], "always on": memory[False]} for count, memory in found.items()})
    )


if __name__ == "__main__":
    main()
