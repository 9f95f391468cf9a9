# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the lab that tests may break, and a way to run site.yml against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "molecule" / "inventory"
#: Whatever a role may make; a test that wants a bare node removes it.
MADE_BY_ROLES = ("/opt/evenkeel", "/opt/miniconda3", "/etc/conda", "/etc/evenkeel", "/etc/profile.d/evenkeel-conda.sh")
PLACES_OF_ROLES = "/opt /etc /usr/local /home /var/lib/jupyter"


@dataclass(frozen=True)
class Answer:
    """How a playbook run ended."""

    status: int
    output: str

    def failed_saying(self, *words: str) -> bool:
        """Whether it failed with a message that holds all of ``words``; shows the run where it did not."""
        assert self.status != 0, self.output
        for word in words:
            assert word in self.output, f"no {word!r} in:\n{self.output}"
        return True

    def succeeded(self) -> bool:
        """Whether it ended well; shows the run where it did not."""
        assert self.status == 0, self.output
        return True


@dataclass(frozen=True)
class Node:
    """The node, through SSH and through Ansible."""

    host: Host
    group: str
    variables: dict[str, Any]

    @property
    def mirror(self) -> str:
        """The mirror's base URL as the roles want it."""
        return f"{self.variables['lab_mirror_url']}/anaconda"

    def faulty_mirror(self, fault: str) -> str:
        """The same mirror behind one of the faults that lab/mirror_server.py can play."""
        return f"{self.variables['lab_mirror_url']}/_fault/{fault}/anaconda"

    def start(self, playbook: str = "site.yml", *, tags: str = "all", **variables: Any) -> subprocess.Popen[str]:
        """Start a playbook; variables win over the inventory's."""
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ansible",
                "playbook",
                playbook,
                f"--inventory={INVENTORY}",
                f"--tags={tags}",
                f"--extra-vars={json.dumps(variables)}",
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "EVENKEEL_LAB_GROUP": self.group,
                "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
                "ANSIBLE_CACHE_PLUGIN": "memory",
                "ANSIBLE_NOCOLOR": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def play(self, playbook: str = "site.yml", *, tags: str = "all", **variables: Any) -> Answer:
        """Run a playbook to its end."""
        return finish(self.start(playbook, tags=tags, **variables))

    def fingerprint(self) -> str:
        """Return something that differs as soon as a file that roles could touch does."""
        listed = self.host.run(f"find {PLACES_OF_ROLES} -xdev -printf '%p %y %s %T@\\n' 2>/dev/null | LC_ALL=C sort")
        return str(listed.stdout)

    def strip(self) -> None:
        """Make the node bare again."""
        self.host.run("umount --lazy /opt/evenkeel")
        self.host.check_output("rm -rf " + " ".join(MADE_BY_ROLES))


def finish(process: subprocess.Popen[str]) -> Answer:
    """Wait for a playbook's end."""
    output, _ = process.communicate(timeout=600)
    return Answer(process.returncode, output)


@pytest.fixture(scope="session")
def node(worker_id: str) -> Iterator[Node]:
    """A fresh Debian 12 node of this worker's own."""
    group = f"faults-{worker_id}"
    environment = {**os.environ, "EVENKEEL_LAB_GROUP": group}
    lab = [sys.executable, "-m", "lab"]
    subprocess.run([*lab, "up", group, "--release", "debian12", "--fresh"], check=True, cwd=ROOT)
    try:
        inventory = subprocess.run(
            ["ansible-inventory", f"--inventory={INVENTORY}", "--host=debian12-1"],
            check=True,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        variables = json.loads(inventory.stdout)
        host = testinfra.get_host(
            f"ssh://{variables['ansible_user']}@{variables['ansible_host']}",
            ssh_identity_file=variables["ansible_ssh_private_key_file"],
            ssh_extra_args=variables["ansible_ssh_common_args"],
            sudo=True,
        )
        yield Node(host, group, variables)
    finally:
        subprocess.run([*lab, "down", group], check=True, cwd=ROOT)
