# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are not there: they answer as a recorded node has, through a connection that starts no process.

So a run of theirs takes what the control node takes, without its ssh processes; nodes and network take no time, or a
given latency.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import answers, meter, site
from bench.meter import Spent
from lab.nodes.nodes import Node

GROUP = "bench-recorded"
HERE = Path(__file__).parent
#: The hosts of an inventory are asked nothing over ssh.
REPLAYED = {"ANSIBLE_TRANSPORT": "replayed"}


@dataclass(frozen=True)
class Recording:
    """What one node has answered in one run.

    Attributes
    ----------
    folder
        Where the answers are kept.
    facts
        Where Ansible keeps the node's facts from one recorded run to the next.
    command
        Returns what to run for an inventory.
    """

    folder: Path
    facts: Path
    node: Node
    command: Callable[[Path], list[str]]

    def record(self) -> None:
        """Run it on the node, and keep the answers in place of those of an earlier time."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.facts.mkdir(exist_ok=True)
        shutil.copytree(self.facts, self.folder / "facts")
        ssh = ["--extra-vars", f"ansible_ssh_executable={HERE / 'recording_ssh'}"]
        source = site.write_inventory(self.folder / "inventory", [self.node])
        site.run([*self.command(source), *ssh], {**os.environ, **self._variables(self.facts)})

    def replay(
        self, hosts: int, forks: int | None = None, latency: float = 0.0, settings: Mapping[str, str] | None = None
    ) -> Spent:
        """Run it for hosts that answer the same, each question after so many seconds; with settings of Ansible's."""
        place = self.folder / f"replayed-{hosts}"
        shutil.rmtree(place, ignore_errors=True)
        fleet = [self.node, *(replace(self.node, name=f"{self.node.name}-{number}") for number in range(2, hosts + 1))]
        source = site.write_inventory(place / "inventory", fleet)
        copy_facts(self.folder / "facts", place / "facts", fleet)
        limit = {} if forks is None else {"ANSIBLE_FORKS": str(forks)}
        variables = {**self._variables(place / "facts"), **REPLAYED, **limit, answers.LATENCY: str(latency)}
        return meter.run(self.command(source), {**variables, **(settings or {})})

    def _variables(self, facts: Path) -> Mapping[str, str]:
        return {
            answers.FOLDER: str(self.folder / "answers"),
            answers.HOST: self.node.name,
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
            "PYTHONPATH": f"{site.ROOT}:{site.ROOT / 'collections'}",
        }


def copy_facts(source: Path, target: Path, fleet: Sequence[Node]) -> None:
    """Let Ansible know of all hosts what it knew of the first one before a run."""
    target.mkdir(parents=True)
    for path in source.glob(f"*_{fleet[0].name}"):
        for host in fleet:
            shutil.copy(path, target / path.name.replace(fleet[0].name, host.name))
