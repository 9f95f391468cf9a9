# SPDX-License-Identifier: GPL-3.0-or-later
"""What this release does on a node that the last one converged."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from lab import demo
from lab.nodes import nodes
from lab.nodes.nodes import Node
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


NOTED = re.compile(r"/distributions/(\.locks/store|[^/]+/conda-meta(/evenkeel)?)\Z")


@dataclass(frozen=True)
class Seen:
    """What of a node an upgrade must not change."""

    files: dict[str, str]
    process_of_ana: str
    tokens: dict[str, str]


@dataclass(frozen=True)
class Upgrade:
    """An upgrade while Ana's kernel was busy, and what her kernel said after it."""

    node: Node
    before: Seen
    after: Seen
    kept: str
    first: str
    second: str


@pytest.fixture(scope="module")
def upgrade() -> Upgrade:
    """Run this tree's site twice on a node that the last release converged."""
    (node,) = nodes.find(GROUP)
    host = Host.get_host(f"ansible://{node.name}", ansible_inventory=str(ROOT / "molecule/inventory"), sudo=True)

    def seen() -> Seen:
        process = host.check_output("systemctl show --property=MainPID --value jupyter@ana")
        return Seen(lasting(host), process, {user: notebook.at(node.address, user).token for user in USERS})

    with notebook.at(node.address, "ana").kernel("minimal") as kernel:
        kernel.run("kept = 7")
        before = seen()
        first, second = site(), site()
        return Upgrade(node, before, seen(), kernel.run("print(kept)"), first, second)


def test_no_environment_is_built_and_no_certificate_made_again(upgrade: Upgrade) -> None:
    before, after = upgrade.before.files, upgrade.after.files
    assert len(before) > 1000
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    # The distribution's record notes once which channels have no terms of service.
    assert [path for path in changed if not NOTED.search(path)] == [], upgrade.first


def test_a_busy_kernel_goes_on(upgrade: Upgrade) -> None:
    assert upgrade.kept == "7\n"
    assert upgrade.before.process_of_ana == upgrade.after.process_of_ana


def test_tokens_still_open_the_servers(upgrade: Upgrade) -> None:
    assert upgrade.before.tokens == upgrade.after.tokens
    for user in USERS:
        assert "minimal" in notebook.at(upgrade.node.address, user).kernels()


def test_a_second_run_changes_nothing(upgrade: Upgrade) -> None:
    changed = demo.changes(upgrade.second)
    assert changed, upgrade.second
    assert set(changed.values()) == {0}, upgrade.second
