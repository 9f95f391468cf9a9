# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with an honest user, whose notebook computes all the time, and a hostile one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

from lab import wait
from lab.nodes import nodes, playbooks
from lab.nodes.playbooks import Run
from lab.people import notebook
from lab.people.notebook import Kernel

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
VARIABLES = ROOT / "molecule" / GROUP / "vars" / "people.yml"
TAGS = "condarc,conda_environments,jupyter,remote_access"
COUNT = """
import threading, time
counted = 0
def count():
    global counted
    while True:
        counted += 1
        time.sleep(0.01)
threading.Thread(target=count, daemon=True).start()
"""


@dataclass(frozen=True)
class Work:
    """What an honest user computes."""

    kernel: Kernel

    def goes_on(self) -> None:
        """Require that it is the same kernel as in the beginning, and that it still computes."""
        before = int(self.kernel.run("print(counted)"))
        assert before > 0
        wait.until(lambda: int(self.kernel.run("print(counted)")) > before, "bo computes", "", seconds=60)


@pytest.fixture(scope="module")
def the_node() -> Host:
    """The node, for fixtures that outlive a test."""
    return testinfra.get_hosts(["ansible://gpu_nodes"], ansible_inventory=str(playbooks.INVENTORY), sudo=True)[0]


@pytest.fixture(scope="module")
def as_mallory(the_node: Host) -> Callable[[str], Any]:
    """Run a script as the hostile user, in her home."""

    def run(script: str) -> Any:
        return the_node.run("runuser --login mallory --command %s", script)

    return run


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    """What the honest user computes, from before the first attack to after the last."""
    (node,) = nodes.find(GROUP)
    with notebook.at(node.address, "bo").kernel("minimal") as kernel:
        kernel.run(COUNT)
        yield Work(kernel)


@pytest.fixture(scope="module")
def site() -> Callable[..., Run]:
    """Run the site as an operator does."""

    def run(tags: str = TAGS, **variables: Any) -> Run:
        return playbooks.play("site.yml", GROUP, f"--tags={tags}", f"--extra-vars=@{VARIABLES}", **variables)

    return run


@pytest.fixture(scope="module")
def replaced_server(the_node: Host) -> Callable[[str], Any]:
    """Take the hostile user's server over in one of the modes of ``notebook_server.py``, until the node restarts it."""
    program = (ROOT / "molecule" / GROUP / "files" / "notebook_server.py").read_text()
    the_node.check_output(
        "printf %%s %s >/usr/local/bin/notebook_server && chmod 0755 /usr/local/bin/notebook_server", program
    )

    def start(mode: str) -> None:
        command = f"nohup /usr/local/bin/notebook_server {shlex.quote(mode)} >~/{mode}.log 2>&1 &"
        the_node.check_output("runuser --login mallory --command %s", command)
        wait.until(
            lambda: the_node.file(f"/home/mallory/{mode}.log").content_string == "ready\n", "it serves", "", seconds=30
        )

    return start
