# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that pulls: what its own runs of site.yml take on it, and upstream.

A second node is the git server. The server and the agent are set up as the scenario pull_agent does.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import meter, site
from bench.lab_fleet import CHANGE, SAME
from bench.meter import Counters, Gauge
from bench.site import CHANGED, DECLARED, ROOT, Site
from lab import git_site, process
from lab.git_site import GitSite
from lab.nodes import inventory, ssh
from lab.nodes.nodes import Node

GROUP = "bench-pull"
SCENARIO = ROOT / "molecule" / "pull_agent"
INVENTORY = Path("inventories/site")
PLAYBOOK = """\
- ansible.builtin.import_playbook: site.yml
- hosts: gpu_nodes
  become: true
  gather_subset: [min]
  roles: [evenkeel.gpu.pull_agent]
"""


@dataclass(frozen=True)
class Pulled:
    """What a run took on the node.

    Attributes
    ----------
    wall
        Seconds on the clock.
    memory
        MiB at the moment when most was in use, beyond what was in use before.
    """

    wall: float
    node: Counters
    memory: float


def runs(place: Site) -> dict[str, Pulled]:
    """Measure the runs of a node that site.yml has set up from the control node."""
    server, node = site.fresh_nodes(GROUP, 2)
    source = site.write_inventory(place.folder / "pull-inventory", [server, node])
    variables = {**os.environ, "MOLECULE_SCENARIO_NAME": GROUP, "MOLECULE_PROJECT_DIRECTORY": str(ROOT)}
    site.run(place.playbook(source, DECLARED, str(SCENARIO / "prepare.yml")), variables)
    people = git_site.of_group(GROUP)
    commit(people, place.folder / DECLARED, [server, node])
    signers = json.dumps({"pull_agent_allowed_signers": people.allowed("ana")})
    limit = ["--limit", node.name]
    site.run(place.playbook(source, DECLARED, "site.yml", *limit))
    site.run(place.playbook(source, DECLARED, str(SCENARIO / "converge.yml"), *limit, "--extra-vars", signers))
    pull(node)
    found = {SAME: pull(node)}
    commit(people, place.folder / CHANGED, [server, node])
    return {**found, CHANGE: pull(node)}


def commit(people: GitSite, environments: Path, fleet: list[Node]) -> None:
    """Commit a site for the nodes, the first of which serves it, with environments and their locks."""
    of_nodes = inventory.render(fleet, inventory.read(GROUP)["all"]["vars"], {})
    agent = yaml.safe_load((SCENARIO / "files" / "pull_agent.yml").read_text())
    agent |= {"git_server": fleet[0].address}
    hosts = {
        "all": {"vars": of_nodes["all"]["vars"]},
        "gpu_nodes": {"vars": agent, "children": {fleet[0].release: {"hosts": of_nodes["_meta"]["hostvars"]}}},
    }
    # Where the demo's variables say.
    shutil.copytree(environments, people.work / "lab" / "environments", dirs_exist_ok=True)
    variables = ROOT / "inventories" / "demo" / "group_vars"
    shutil.copytree(variables, people.work / INVENTORY / "group_vars", dirs_exist_ok=True)
    people.commit("ana", files={str(INVENTORY / "hosts.yml"): yaml.safe_dump(hosts), "node.yml": PLAYBOOK})


def pull(node: Node) -> Pulled:
    """Have a node pull, and return what that took.

    Raises
    ------
    LabError
        It did not end well.
    """
    gauge = Gauge([node])
    idle, before, begin = gauge.memory(), gauge.read(), time.perf_counter()
    command = ssh.command(node.address, remote=("sudo", "systemctl", "start", "evenkeel-pull.service"))
    with sampled(gauge.memory) as seen:
        process.run(command, remedy=f"read the journal of {node.name}")
    return Pulled(time.perf_counter() - begin, gauge.read().since(before), max(seen) - idle)


@contextmanager
def sampled(read: Callable[[], float]) -> Iterator[list[float]]:
    """Read a value again and again meanwhile, at least once."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while True:
            seen.append(read())
            if ended.wait(meter.PAUSE):
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
