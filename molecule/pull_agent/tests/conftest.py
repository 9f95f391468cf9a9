# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario's nodes, and the site that they pull."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import git_site, process
from lab.git_site import GitSite
from lab.nodes import nodes, ssh
from lab.nodes.fleet import Fleet
from lab.nodes.nodes import Node
from lab.upstream import mirror

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
FILES = Path(__file__).parents[1] / "files"
#: Has systemd start the runs within seconds, without waiting for the interval.
SOON = "[Timer]\\nOnActiveSec=\\nOnActiveSec=1s\\nRandomizedDelaySec=0\\nAccuracySec=1s\\n"
TIMER = "evenkeel-pull.timer"
REPORT = "/var/lib/evenkeel/pull/report.json"
_SECONDS = 600


@dataclass(frozen=True)
class Pulling:
    """Nodes that pull, the first one from itself, and people who commit what they pull."""

    site: GitSite
    fleet: Fleet
    found: Sequence[Node]

    @property
    def over_http(self) -> list[Node]:
        """The nodes that pull over HTTP; the others do over SSH."""
        return sorted(self.found, key=lambda node: node.name)[::2]

    @property
    def over_ssh(self) -> list[Node]:
        return [node for node in self.found if node not in self.over_http]

    def on(self, node: Node, command: str) -> str:
        """Run a shell command as root on one node, and return what it printed."""
        argv = ssh.command(node.address, remote=("sudo", "sh", "-c", shlex.quote(command)))
        return process.run(argv, remedy="look at the node").strip()

    def on_server(self, command: str) -> str:
        """Run a shell command as root where the repository and the reports are."""
        return self.on(self.found[0], command)

    def pull(self) -> set[str]:
        """Have all nodes pull at once, as their timers do, and return how it ended."""
        self._on_all(f"rm -f {REPORT}; systemctl start evenkeel-pull.service || true")
        return self.outcomes()

    def pull_by_timer(self) -> set[str]:
        """Have the timers of all nodes elapse, wait for what they start, and return how it ended."""
        folder = f"/run/systemd/system/{TIMER}.d"
        soon = f"mkdir {folder} && printf '{SOON}' >{folder}/soon.conf"
        self._on_all(f"rm -f {REPORT}; {soon} && systemctl daemon-reload && systemctl restart {TIMER}")
        # The report is there before the unit ends.
        ended = f"test -e {REPORT} && systemctl is-active evenkeel-pull.service || true"
        late = time.monotonic() + _SECONDS
        while not {"inactive", "failed"}.issuperset(self._on_all(ended)):
            assert time.monotonic() < late, "a timer has started no run, or the run does not end"
            time.sleep(1)
        # A timer that is restarted would elapse again.
        self._on_all(f"rm -r {folder} && systemctl daemon-reload")
        return self.outcomes()

    def outcomes(self) -> set[str]:
        """Return how the last run ended on the nodes, none of which has a report without one."""
        return {str(report["outcome"]) for report in self.reports()}

    def reports(self) -> list[Mapping[str, Any]]:
        """Return what each node has kept of its last run."""
        return [json.loads(text) for text in self._on_all("evenkeel-pull status")]

    def delivered(self) -> list[Mapping[str, Any]]:
        """Return the reports that have arrived on the server, by node."""
        return [json.loads(self.on_server(f"cat /srv/reports/{node.name}.json")) for node in self.found]

    def commits(self) -> set[str]:
        """Return the commits that the nodes have, as the server's reports say."""
        return {str(report["commit"]) for report in self.delivered()}

    def _on_all(self, command: str) -> list[str]:
        with ThreadPoolExecutor(len(self.found)) as pool:
            return list(pool.map(lambda node: self.on(node, command), self.found))


def first_commit(site: GitSite, found: Sequence[Node]) -> str:
    """Commit the site: its inventory, with what the agent is set to, and a playbook."""
    hosts: dict[str, dict[str, str]] = {node.name: {} for node in found}
    variables = yaml.safe_load((FILES / "pull_agent.yml").read_text())
    of_lab = {
        "ansible_python_interpreter": "/usr/bin/python3",
        "evenkeel_mirror": f"{mirror.url()}/anaconda",
        "git_server": found[0].address,
    }
    inventory = {"all": {"vars": of_lab}, "gpu_nodes": {"hosts": hosts, "vars": variables}}
    return site.commit(
        "ana",
        files={
            "inventories/site/hosts.yml": yaml.safe_dump(inventory),
            "node.yml": (FILES / "node.yml").read_text(),
        },
    )


@pytest.fixture(scope="module")
def pulling() -> Pulling:
    """All nodes, at the first commit."""
    pulling = Pulling(git_site.of_group(GROUP), Fleet(GROUP), nodes.find(GROUP))
    first_commit(pulling.site, pulling.found)
    assert pulling.pull() == {"applied"}
    return pulling
