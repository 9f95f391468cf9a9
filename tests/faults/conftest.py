# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the lab that tests may break, and ways to run playbooks and the module conda_environment against it."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import testinfra
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve
from testinfra.host import Host

from lab.nodes import fingerprint
from tests.faults import ubuntu_nodes

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "molecule" / "inventory"
#: Whatever a role may make; a test that wants a bare node removes it.
MADE_BY_ROLES = (
    *("/opt/evenkeel", "/opt/miniconda3", "/etc/conda", "/etc/evenkeel"),
    *("/etc/profile.d/evenkeel-conda.sh", "/etc/fish/conf.d/evenkeel-conda.fish", "/usr/local/bin/conda"),
)
MADE_OF_ENVIRONMENTS = ("envs", "generations", "kept", "locks", "pkgs", "progress")
#: Where a survey keeps its code.
CODE = "/var/lib/evenkeel/code"
CHANNEL = "https://repo.anaconda.com/pkgs/main"
#: On the node: the module conda_environment as programs of their own, one for each set of arguments.
PROGRAMS = "/tmp/evenkeel-faults"  # noqa: S108
#: What keeps installers from asking a broken mirror again and again, ever more slowly.
ONE_TRY = "UV_HTTP_RETRIES=0 CONDA_REMOTE_MAX_RETRIES=0"
SCRIPT = "AnsiballZ_conda_environment.py"

_numbers = itertools.count()


@dataclass(frozen=True)
class Answer:
    """How a run ended."""

    status: int
    output: str
    #: What a module returned.
    result: dict[str, Any] = field(default_factory=dict)

    def failed_saying(self, *words: str) -> bool:
        """Whether it failed with a message that holds all of ``words``; shows the run where it did not."""
        assert self.status != 0, self.output
        for word in words:
            assert word in self.output, f"no {word!r} in:\n{self.output}"
        return True

    def problems(self) -> list[str]:
        """The problems in the node's only failure, each of which begins with its role."""
        found = re.findall(r"^fatal: \[debian12-1\]: FAILED! => (\{.*\})$", self.output, re.MULTILINE)
        assert len(found) == 1, self.output
        return re.split(r"\n(?=\w+: )", json.loads(found[0])["msg"])

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
    #: What the module conda_environment is given in every run.
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def mirror(self) -> str:
        """The mirror's base URL as the roles want it."""
        return f"{self.variables['lab_mirror_url']}/anaconda"

    @property
    def pip_index(self) -> str:
        """The index for pip."""
        return str(self.variables["lab_pip_index_url"])

    def faulty(self, fault: str, url: str) -> str:
        """Return a URL of the mirror behind one of the faults that lab/upstream/mirror_server.py can play."""
        base = self.variables["lab_mirror_url"]
        return f"{base}/_fault/{fault}{url.removeprefix(base)}"

    def faulty_mirror(self, fault: str) -> str:
        """The same mirror behind a fault."""
        return self.faulty(fault, self.mirror)

    def start(
        self, playbook: str = "site.yml", *options: str, tags: str = "all", **variables: Any
    ) -> subprocess.Popen[str]:
        """Start a playbook; variables win over the inventory's."""
        return ansible(
            "playbook",
            playbook,
            *options,
            f"--tags={tags}",
            f"--extra-vars={json.dumps(variables)}",
            EVENKEEL_LAB_GROUP=self.group,
        )

    def play(self, playbook: str = "site.yml", *options: str, tags: str = "all", **variables: Any) -> Answer:
        """Run a playbook to its end."""
        return finish(self.start(playbook, *options, tags=tags, **variables))

    def clear(self) -> None:
        """Remove all environments and caches; Miniconda and the private runtime stay."""
        self.host.check_output("rm -rf " + " ".join(f"/opt/evenkeel/{place}" for place in MADE_OF_ENVIRONMENTS))

    def resolved(self, *packages: str, pip: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Solve on this machine, as the action does, and return what it hands to the node's module."""
        problem = Problem(
            packages=packages,
            channels=(CHANNEL,),
            platform="linux-64",
            virtual_packages=(("__glibc", "2.36"), ("__linux", "6.1")),
            pip=tuple(pip),
            mirrors=mirrors_from({"https://repo.anaconda.com": self.mirror}),
            pip_index=self.pip_index,
        )
        return [asdict(package) for package in resolve(problem)]

    def program(self, **arguments: Any) -> str:
        """Make the node's module conda_environment with these arguments a program; return the command that runs it.

        It runs without a playbook, which costs seconds, and can be killed at any moment.
        """
        script, make = self._program(arguments)
        self.host.check_output(*make)
        return script

    def converge(self, **arguments: Any) -> Answer:
        """Run the node's module conda_environment."""
        script, make = self._program(arguments)
        return answer_of(self.host.run(f"{make[0]} && {script}", *make[1:]).stdout)

    def _program(self, arguments: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        """Return the command that runs the module, and the one that makes it."""
        place = f"{PROGRAMS}/{next(_numbers)}"
        source = {"lock": "read on the control node"} if "resolved" in arguments else {}
        options = {**self.arguments, **source, **arguments}
        handed = {name: options.pop(name) for name in conda_environment.FROM_ACTION if name in options}
        given = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, HANDED: handed}})
        make = f"cp --recursive {PROGRAMS}/template {place} && printf %%s %s >{place}/debug_dir/args"
        return f"env {ONE_TRY} python3 {place}/{SCRIPT} execute", (make, given)

    def fingerprint(self) -> frozenset[str]:
        """Return lines of which some differ as soon as a file does that is not a survey's code."""
        listed = self.host.check_output(fingerprint.COMMAND)
        return frozenset(line for line in listed.splitlines() if not line.startswith(CODE))

    def strip(self) -> None:
        """Make the node bare again."""
        self.host.run("umount --lazy /opt/evenkeel")
        self.host.check_output("rm -rf " + " ".join(MADE_BY_ROLES))


def ansible(program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start one of Ansible's programs on the lab's inventory."""
    return subprocess.Popen(
        [sys.executable, "-m", "ansible", program, f"--inventory={INVENTORY}", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_CACHE_PLUGIN": "memory",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "default",
            "EVENKEEL_LAB_GROUP": "nobody",
            "PYTHONPATH": str(ROOT),
            "UV_HTTP_RETRIES": "0",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Kill one of Ansible's programs with its workers, which would wait for it for ever."""
    os.killpg(process.pid, signal.SIGKILL)


def finish(process: subprocess.Popen[str]) -> Answer:
    """Wait for the end of one of Ansible's programs."""
    output, _ = process.communicate(timeout=600)
    return Answer(process.returncode, output)


def answer_of(output: str) -> Answer:
    """Read what a module printed; a killed one printed nothing."""
    result = json.loads(output or '{"failed": true}')
    return Answer(int(result.get("failed", False)), result.get("msg", output), result)


@contextmanager
def fresh_node(group: str, release: str = "debian12") -> Iterator[Node]:
    """Have a fresh node, alone in its group of the lab."""
    environment = {**os.environ, "EVENKEEL_LAB_GROUP": group}
    lab = [sys.executable, "-m", "lab"]
    subprocess.run([*lab, "up", group, "--release", release, "--fresh"], check=True, cwd=ROOT)
    try:
        inventory = subprocess.run(
            ["ansible-inventory", f"--inventory={INVENTORY}", f"--host={release}-1"],
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
        host.check_output(f"install --directory --mode=700 {CODE}")
        yield Node(host, group, variables)
    finally:
        subprocess.run([*lab, "down", group], check=True, cwd=ROOT)


@pytest.fixture(scope="session")
def node(worker_id: str) -> Iterator[Node]:
    """A fresh node of this worker's own."""
    with fresh_node(f"faults-{worker_id}") as node:
        yield node


@pytest.fixture(scope="module")
def ubuntu(worker_id: str) -> Iterator[Node]:
    """A node that passes for Ubuntu 24.04, with Ubuntu's packages and a kernel without its headers."""
    with fresh_node(f"faults-ubuntu-{worker_id}", "ubuntu2404") as node:
        assert node.play(ubuntu_nodes.PREPARE).succeeded()
        yield node


@pytest.fixture
def bare_ubuntu(ubuntu: Node) -> Iterator[Node]:
    """The same, without a driver."""
    yield ubuntu
    ubuntu_nodes.strip(ubuntu)


@pytest.fixture(scope="module")
def prepared(node: Node) -> Node:
    """A node with Miniconda, its configuration and the private runtime, and without any environment."""
    node.clear()
    absent = [{"name": "none", "state": "absent"}]
    # Another file of tests may have left a newer Miniconda.
    declared = {"conda_environments_list": absent, "miniconda_force": True}
    assert node.play(tags="miniconda,condarc,conda_environments", **declared).succeeded()
    return node


@pytest.fixture(scope="module")
def with_module(prepared: Node) -> Node:
    """The same node, on which the module conda_environment can be run without a playbook."""
    prepared.host.check_output(f"rm -rf {PROGRAMS}")
    kept = finish(
        ansible(
            "adhoc",
            "gpu_nodes",
            "--become",
            "--module-name=evenkeel.gpu.conda_environment",
            "--args=name=none state=absent",
            EVENKEEL_LAB_GROUP=prepared.group,
            ANSIBLE_KEEP_REMOTE_FILES="1",
            ANSIBLE_PIPELINING="0",
            ANSIBLE_REMOTE_TMP=PROGRAMS,
        )
    )
    assert kept.succeeded()
    template = f"{PROGRAMS}/template"
    prepared.host.check_output(f"mv {PROGRAMS}/ansible-tmp-* {template} && python3 {template}/{SCRIPT} explode")
    known = json.loads(prepared.host.file(f"{template}/debug_dir/args").content_string)["ANSIBLE_MODULE_ARGS"]
    return replace(
        prepared,
        arguments={
            **{key: value for key, value in known.items() if key.startswith("_ansible")},
            "runtime": prepared.host.check_output("ls --directory /opt/evenkeel/runtime/*"),
            "mirrors": {"https://repo.anaconda.com": prepared.mirror},
            "pip_index": prepared.pip_index,
        },
    )
