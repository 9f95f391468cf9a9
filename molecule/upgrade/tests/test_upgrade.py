# SPDX-License-Identifier: GPL-3.0-or-later
"""What this release does on a node that the last one converged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from lab import demo
from lab.nodes import nodes
from lab.people import notebook

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
USERS = ("ana", "bo")
#: What lasts: environments as they were built, distributions, certificates, and what opens notebooks.
LASTING = (
    "/opt/evenkeel/generations /opt/evenkeel/distributions /etc/evenkeel/tls /etc/evenkeel/jupyter/*/token"
    " /etc/evenkeel/front_door/*.pem"
)


def site(*arguments: str) -> str:
    """Run this tree's site.yml as an operator does, and return its output."""
    variables = f"--extra-vars=@{ROOT}/molecule/{GROUP}/vars/site.yml"
    command = [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        f"--inventory={ROOT}/molecule/inventory",
        variables,
        "site.yml",
    ]
    without_molecule = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [*command, "--diff", *arguments],
        check=False,
        cwd=ROOT,
        env={**without_molecule, "ANSIBLE_CACHE_PLUGIN": "memory", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lasting(host: Host) -> dict[str, str]:
    """Return each file that has to last, and what of it would show that it was made again."""
    listed = host.check_output(f"find {LASTING} -xdev -printf '%p\\t%y %U:%G %m %s %T@ %i\\n' 2>/dev/null; true")
    return dict(line.split("\t") for line in listed.splitlines())


def processes(host: Host) -> dict[str, str]:
    """Return the process of each notebook server."""
    return {user: host.check_output(f"systemctl show --property=MainPID --value jupyter@{user}") for user in USERS}


@pytest.fixture(scope="module")
def upgrade(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Upgrade a node on which Ana's kernel is busy; return what was and what is."""
    (node,) = nodes.find(GROUP)
    host = Host.get_host(f"ansible://{node.name}", ansible_inventory=str(ROOT / "molecule/inventory"), sudo=True)
    tokens = {user: notebook.at(node.address, user).token for user in USERS}
    with notebook.at(node.address, "ana").kernel("minimal") as kernel:
        kernel.run("kept = 7")
        before = lasting(host), processes(host)["ana"]
        output = site()
        after = lasting(host), processes(host)["ana"]
        kept = kernel.run("print(kept)")
    return {"tokens": tokens, "before": before, "after": after, "kept": kept, "output": output, "node": node}


def test_no_environment_is_built_and_no_certificate_made_again(upgrade: dict[str, Any]) -> None:
    before, after = upgrade["before"][0], upgrade["after"][0]
    assert len(before) > 1000
    assert {
        path: (before.get(path), after.get(path))
        for path in before.keys() | after.keys()
        if before.get(path) != after.get(path)
    } == {}


def test_a_busy_kernel_goes_on(upgrade: dict[str, Any]) -> None:
    assert upgrade["kept"] == "7\n"
    assert upgrade["before"][1] == upgrade["after"][1]


def test_tokens_still_open_the_servers(upgrade: dict[str, Any]) -> None:
    for user, token in upgrade["tokens"].items():
        server = notebook.at(upgrade["node"].address, user)
        assert server.token == token
        assert "minimal" in server.kernels()


def test_a_second_run_changes_nothing(upgrade: dict[str, Any]) -> None:
    demo.require_unchanged(site())
