# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what a playbook costs the control node for 1, 10, 50, 200 and 1,000 hosts, in a run that changes nothing.

The demo's first node is asked once, and its answers are recorded. The hosts that are measured are not there: a
connection of the benchmark's own gives each the recorded answers, and starts no process. So what is measured is the
control node alone, without its ssh processes; network and nodes take no time. It reports; it judges nothing.

    make bench-fleet
    PYTHONPATH=collections python -m bench.fleet --hosts 1 10 50 -- playbooks/verify.yml -e verify_report=/tmp/gpus.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import answers
from lab.nodes import inventory, nodes
from lab.nodes.nodes import Node

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
HOSTS = (1, 10, 50, 200, 1000)
#: The hosts of an inventory are asked nothing over ssh.
REPLAYED = {"ANSIBLE_TRANSPORT": "replayed"}
#: Seconds between two looks at the memory.
PAUSE = 0.2


@dataclass(frozen=True)
class Cost:
    """What a run took on the control node.

    Attributes
    ----------
    wall, cpu
        Seconds.
    memory
        MiB of each host that was worked on at the moment when most was in use, beyond what the main process held alone.
    """

    hosts: int
    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Record, measure and print."""
    arguments = parse(sys.argv[1:])
    node = nodes.find("demo")[0]
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        # The demo's variables name files of the checkout, from its inventory's folder.
        (place / "lab").symlink_to(ROOT / "lab")
        variables = {
            answers.FOLDER: str(place / "answers"),
            answers.HOST: node.name,
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(place / "facts"),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'collections'}",
        }
        playbook = [sys.executable, "-m", "ansible", "playbook", *arguments.playbook]
        recorder = ["-e", f"ansible_ssh_executable={HERE / 'recording_ssh'}"]
        recorded = write_inventory(place / "inventories" / "recorded", [node])
        # Once to know the facts and to send the code, which a node then has, and once more as a later run asks.
        for _turn in range(2):
            run([*playbook, "--inventory", str(recorded), *recorder], variables)
        found = []
        for hosts in arguments.hosts:
            fleet = [node, *(replace(node, name=f"{node.name}-{number}") for number in range(2, hosts + 1))]
            copy_facts(place / "facts", fleet)
            source = write_inventory(place / "inventories" / f"fleet-{hosts}", fleet)
            found.append(run([*playbook, "--inventory", str(source)], {**variables, **REPLAYED}, hosts))
    Console().print(table(" ".join(arguments.playbook), found))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=list(HOSTS), help="how many hosts; the least first")
    parser.add_argument("playbook", nargs="*", default=["site.yml"], help="the playbook, and arguments after --")
    return parser.parse_args(argv)


def copy_facts(folder: Path, fleet: Sequence[Node]) -> None:
    """Let Ansible know the facts of all hosts, as it does in a run that follows another."""
    for path in folder.glob(f"*_{fleet[0].name}"):
        for host in fleet[1:]:
            shutil.copy(path, folder / path.name.replace(fleet[0].name, host.name))


def write_inventory(folder: Path, fleet: Sequence[Node]) -> Path:
    """Write the demo's inventory with other hosts, and return its folder."""
    shutil.copytree(ROOT / "inventories" / "demo" / "group_vars", folder / "group_vars")
    script = folder / "lab"
    found = inventory.render(fleet, inventory.read("demo")["all"]["vars"], {})
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(found)}\nEND\n")
    script.chmod(0o755)
    return folder


def run(argv: Sequence[str], variables: Mapping[str, str], hosts: int = 1) -> Cost:
    """Run a playbook to its end, and return what it took."""
    begin = time.perf_counter()
    alone = peak = 0.0
    workers = 1
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            argv, cwd=ROOT, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            used = [memory(pid) for pid in tree(process.pid)]
            if len(used) == 1:
                alone = max(alone, sum(used))
            elif sum(used) > peak:
                peak, workers = sum(used), len(used) - 1
            time.sleep(PAUSE)
        _pid, process.returncode, usage = ended
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{' '.join(argv)} has failed:\n{output.read()}")
    wall = time.perf_counter() - begin
    return Cost(hosts, wall, usage.ru_utime + usage.ru_stime, max(0.0, peak - alone) / workers)


def tree(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started; those that end meanwhile are left out."""
    yield pid
    try:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                yield from tree(int(child))
    except OSError:
        return


def memory(pid: int) -> float:
    """Return a process's memory in MiB, 0 where it has ended; what several share is divided among them."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def table(title: str, costs: Sequence[Cost]) -> Table:
    """Return the costs side by side; the first run's is the base of what each further host costs."""
    shown = Table("hosts", "wall s", "CPU s", "CPU s per further host", "ratio", "MiB per host in flight", title=title)
    base, slopes = costs[0], []
    for cost in costs:
        further = cost.hosts - base.hosts
        each = (cost.cpu - base.cpu) / further if further else None
        if each is not None:
            slopes.append(each)
        shown.add_row(
            str(cost.hosts),
            f"{cost.wall:.1f}",
            f"{cost.cpu:.1f}",
            "" if each is None else f"{each:.3f}",
            "" if each is None else f"{each / slopes[0]:.2f}",
            f"{cost.memory:.0f}",
        )
    return shown


if __name__ == "__main__":
    main()
