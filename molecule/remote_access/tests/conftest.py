# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for people's computers, as the playbook client_config writes them, and ssh as these people run it."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from lab import wait
from lab.nodes import nodes, ssh
from lab.nodes.fleet import Fleet
from lab.nodes.nodes import Node

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]


@dataclass(frozen=True)
class Desk:
    """A person's computer."""

    files: Path
    user: str

    def command(self, *arguments: str) -> list[str]:
        """Return the command that a person runs; the lab adds its key and the nodes' host keys."""
        known = shlex.split(" ".join(ssh.options()))
        config = self.files / self.user / "ssh_config"
        return ["ssh", "-F", str(config), "-i", str(ssh.KEY), *known, "-o", "BatchMode=yes", *arguments]

    @contextmanager
    def tunnel(self, port: int, *arguments: str) -> Iterator[None]:
        """Have ssh run, with a local port that answers."""
        with subprocess.Popen(self.command("-N", *arguments), stderr=subprocess.PIPE, text=True) as process:
            try:
                wait.until(lambda: answers(port) or process.poll() is not None, "ssh forwards", "see ssh", seconds=30)
                assert process.poll() is None, process.stderr and process.stderr.read()
                yield
            finally:
                process.terminate()


def answers(port: int) -> bool:
    """Return whether something listens on a local port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the playbook writes, without secrets."""
    folder = tmp_path_factory.mktemp("client")
    Fleet(GROUP).play("playbooks/client_config.yml", client_config_directory=str(folder))
    return folder


@pytest.fixture
def node(host: Host) -> Node:
    """The node of the test."""
    return next(node for node in nodes.find(GROUP) if node.name == host.backend.host)
