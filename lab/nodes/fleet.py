# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a group as one: each gets the same command, through Ansible or a shell, and all must answer the same."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from lab import process
from lab.errors import LabError
from lab.nodes import fingerprint, nodes, podman, ssh
from lab.nodes.nodes import Node
from lab.nodes.playbooks import ansible
from lab.upstream import mirror

Value = TypeVar("Value")


@dataclass(frozen=True)
class Result:
    """What an Ansible module returned on each node."""

    of_node: Mapping[str, Mapping[str, Any]]
    #: What Ansible showed, warnings with it, as one line.
    shown: str

    def __getitem__(self, key: str) -> Any:
        """Return what all nodes say of ``key``; None when none of them knows it."""
        return agreed({node: fields.get(key) for node, fields in self.of_node.items()}, key)


@dataclass(frozen=True)
class Fleet:
    """The running nodes of ``group``."""

    group: str

    def module(self, name: str, /, *, check: bool = False, **arguments: Any) -> Result:
        """Run one Ansible module as root.

        Raises
        ------
        LabError
            It failed on a node; the node's own message says why.
        """
        with TemporaryDirectory() as results:
            options = ["--module-name", name, "--args", json.dumps(arguments), "--tree", results]
            run = ansible("adhoc", self.group, "gpu_nodes", "--become", *options, *(["--check"] if check else []))
            of_node = {path.name: json.loads(path.read_text()) for path in Path(results).iterdir()}
        shown = " ".join(run.output.split())
        if run.status != 0 or not of_node:
            raise LabError(f"{name}: {shown}", "read what the nodes say")
        return Result(of_node, shown)

    def environment(self, name: str, /, *packages: str, check: bool = False, **options: Any) -> Result:
        """Run the module ``conda_environment`` with the lab's mirror, for a list of packages where some are given.

        Raises
        ------
        LabError
            It failed on a node; the node's own message says why.
        """
        source = {"packages": packages, "channels": ["defaults"]} if packages else {}
        built_with = {
            "mirrors": {"https://repo.anaconda.com": f"{mirror.url()}/anaconda"},
            "runtime": self._runtime,
        }
        return self.module(
            "evenkeel.gpu.conda_environment", check=check, name=name, **{**built_with, **source, **options}
        )

    def play(self, playbook: str, /, **variables: Any) -> str:
        """Run one of the project's playbooks and return its output; ``variables`` win over the inventory's.

        Raises
        ------
        LabError
            It failed; all of its output is in the message.
        """
        run = ansible("playbook", self.group, playbook, "--extra-vars", json.dumps(variables))
        if run.status != 0:
            raise LabError(f"{playbook} ended with status {run.status}:\n{run.output}", "read its output")
        return run.output

    def run(self, command: str, user: str = "root") -> str:
        """Run a shell command on every node and return what it printed, without the last newline.

        Raises
        ------
        LabError
            It ended with a status other than 0, or printed different things.
        """
        return agreed(self._printed(command, user), command)

    def fingerprint(self) -> dict[str, frozenset[str]]:
        """Return by node lines of which some differ as soon as anything of its root file system does."""
        return self.listed(fingerprint.COMMAND)

    def listed(self, command: str) -> dict[str, frozenset[str]]:
        """Run a shell command on every node, and return by node the lines that it printed."""
        return {node: frozenset(text.splitlines()) for node, text in self._printed(command).items()}

    def requests(self) -> list[str]:
        """Return the lines of the mirror's log that are about requests of the nodes, the oldest first."""
        addresses = {node.address for node in nodes.find(self.group)}
        log = podman.run("logs", mirror.NAME)
        return [line for line in log.splitlines() if addresses.intersection(line.split()[2:3])]

    def _printed(self, command: str, user: str = "root") -> dict[str, str]:
        """Run a shell command on every node, and return by node what it printed."""

        def one(node: Node) -> str:
            remote = ("sudo", f"--user={user}", "--", "sh", "-c", shlex.quote(command))
            return process.run(ssh.command(node.address, remote=remote), remedy=f"look at {node.name}").rstrip("\n")

        found = nodes.find(self.group)
        with ThreadPoolExecutor(len(found)) as pool:
            return dict(zip((node.name for node in found), pool.map(one, found), strict=True))

    @cached_property
    def _runtime(self) -> str:
        """The private runtime that the role conda_environments made."""
        return self.run("ls --directory /opt/evenkeel/runtime/*")


def agreed(values: Mapping[str, Value], of: str) -> Value:
    """Return the one value that all nodes have.

    Raises
    ------
    LabError
        They differ, or there are no nodes.
    """
    found = list(values.values())
    if not found or any(value != found[0] for value in found):
        shown = "\n".join(f"  {node}: {value!r}" for node, value in sorted(values.items()))
        raise LabError(f"the nodes differ in {of}:\n{shown or '  no node runs'}", "find out what sets them apart")
    return found[0]
