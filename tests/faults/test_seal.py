# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/seal.yml on a node: what it refuses, how it goes on after a failure, and the first boot after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.progress import Progress

from lab import wait
from lab.nodes import nodes, playbooks, podman
from lab.nodes.playbooks import Run

pytestmark = pytest.mark.long

GROUP = "seal-faults"
NODE = "debian12-1"
CONTAINER = nodes.container_name(GROUP, NODE)
TOKEN = "/etc/evenkeel/jupyter/jupyter/token"  # noqa: S105
OWN = ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", TOKEN)
#: A server's account and its token, as the role jupyter leaves them.
SERVER = f"""
useradd --system --create-home --home-dir /var/lib/jupyter jupyter
mkdir -p /etc/evenkeel/jupyter/jupyter
printf %s the-token-of-the-original-0000000000000000 >{TOKEN}
chown jupyter: {TOKEN} && chmod 0600 {TOKEN}
echo ssh backup.example.org >/root/.bash_history
"""


def shell(script: str) -> str:
    return podman.run("exec", CONTAINER, "sh", "-ec", script)


def seal(*options: str, **variables: object) -> Run:
    return playbooks.play("playbooks/seal.yml", GROUP, *options, seal_hosts=NODE, seal_confirm=False, **variables)


def own() -> list[str]:
    return [shell(f"cat {path}") for path in OWN]


@pytest.fixture(scope="module")
def before() -> Iterator[list[str]]:
    """What a node has for itself alone."""
    try:
        with Progress() as progress:
            nodes.up(GROUP, ["debian12"], progress, fresh=True)
        shell(SERVER)
        yield own()
    finally:
        nodes.down(GROUP)


def test_a_users_file_is_named_and_nothing_changes(before: list[str]) -> None:
    shell("touch /home/ops/thesis.txt")
    refused = seal()
    assert refused.status != 0
    assert "ops: /home/ops/thesis.txt. Move them away" in refused.output
    assert own() == before
    shell("rm /home/ops/thesis.txt && test ! -e /etc/evenkeel/first_boot")


def test_check_mode_changes_nothing(before: list[str]) -> None:
    shown = seal("--check").well().output
    assert f"-{TOKEN}: token of a notebook server" in shown
    assert all(secret.strip() not in shown for secret in before[1:])
    assert own() == before


def test_a_run_that_fails_midway_is_healed_by_the_next_and_the_copy_is_another_machine(before: list[str]) -> None:
    shell("mount --bind /root/.bash_history /root/.bash_history")
    assert "/root/.bash_history: Device or resource busy" in seal().output
    shell(f"test ! -e {TOKEN} && test -s {OWN[1]} && umount /root/.bash_history")
    seal(seal_poweroff=True).well()
    wait.until(
        lambda: not any(one.running for one in podman.containers(GROUP)),
        "the node powers off",
        "look at it",
        seconds=60,
    )
    podman.run("start", CONTAINER)
    wait.until(lambda: podman.succeeds("exec", CONTAINER, "test", "-s", OWN[0]), "it boots", "look at it", seconds=60)
    assert shell("systemctl is-system-running --wait").strip() == "running"
    assert all(then != now for then, now in zip(before, own(), strict=True))
    assert shell(f"stat --format='%U %a %s' {TOKEN}").strip() == "jupyter 600 43"
    assert shell("ls /var/log/journal").split() == shell("cat /etc/machine-id").split()
    shell("test ! -e /root/.bash_history && test ! -e /etc/evenkeel/first_boot")
