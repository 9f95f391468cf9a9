# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/upgrade_driver.yml does while a GPU is in use, after it was killed, and with nodes that are right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node, kill

PLAYBOOK = "playbooks/upgrade_driver.yml"
RECORD = "/var/lib/evenkeel/upgrade_driver.json"
HOOK_LOG = "/root/hook.log"
OLD, NEW = "580.159.03", "580.178.04"
#: A service that holds the GPU, or what passes for one where there is none.
UNIT = """[Service]
ExecStart=/bin/sh -c 'exec sleep infinity </dev/nvidia0'
"""


def variables(node: Node, version: str) -> dict[str, Any]:
    def hook(word: str) -> list[str]:
        return ["sudo", "sh", "-c", f"echo {word} >>{HOOK_LOG}"]

    return {
        "evenkeel_nvidia_repository": node.variables["lab_nvidia_repository"],
        "nvidia_driver_repository_key_sha256": node.variables["lab_nvidia_keyring_sha256"]["debian12"],
        "nvidia_driver_without_gpu": True,
        "nvidia_driver_version": version,
        "upgrade_check": False,
        "upgrade_stop_services": ["worker", "not-there"],
        "upgrade_hook": "hooks/command.yml",
        "upgrade_command_host": "debian12-1",
        "upgrade_drain_command": hook("drain"),
        "upgrade_undrain_command": hook("undrain"),
    }


def upgrade(node: Node, version: str = NEW, **more: Any) -> Answer:
    return node.play(PLAYBOOK, **{**variables(node, version), **more})


def hooks_run(node: Node) -> list[str]:
    """Return what the hook was called for since the last question."""
    return str(node.host.check_output(f"touch {HOOK_LOG} && cat {HOOK_LOG} && rm {HOOK_LOG}")).split()


def installed(node: Node) -> str:
    return str(node.host.run("dpkg-query --show --showformat '${Version}' nvidia-driver-cuda").stdout)


@pytest.fixture(scope="module")
def gpu_node(node: Node) -> Iterator[Node]:
    """A node with a device of NVIDIA's name, a service that holds it, and no driver."""
    source = f"deb {node.variables['lab_mirror_url']}/debian bookworm main"
    node.host.check_output(f"echo '{source}' >/etc/apt/sources.list && apt-get update --quiet=2")
    node.host.check_output("mknod -m 666 /dev/nvidia0 c 1 3")
    node.host.check_output("printf %%s %s >/etc/systemd/system/worker.service", UNIT)
    node.host.check_output("systemctl daemon-reload && systemctl start worker")
    yield node
    node.host.run(f"systemctl stop worker; rm -f /etc/systemd/system/worker.service /dev/nvidia0 {RECORD} {HOOK_LOG}")


def test_a_gpu_in_use_is_refused_with_who_uses_it_and_the_next_run_goes_on(gpu_node: Node) -> None:
    node = gpu_node
    node.host.check_output("sudo -u ops sh -c 'sleep 86400 </dev/nvidia0 >/dev/null 2>&1 & echo $! >/tmp/pid'")
    pid = node.host.check_output("cat /tmp/pid")
    words = ("the GPU is in use by", f"{pid} sleep", "(ops", "Refuse while a GPU is in use", "stays drained")
    assert upgrade(node).failed_saying(*words)
    assert hooks_run(node) == ["drain"]
    assert installed(node) == ""
    assert node.host.service("worker").is_running

    node.host.check_output("kill %s", pid)
    assert upgrade(node).succeeded()
    assert hooks_run(node) == ["drain", "undrain"]
    assert installed(node).startswith(NEW)
    assert node.host.service("worker").is_running
    assert not node.host.file(RECORD).exists


def test_a_node_that_is_right_is_left_alone(gpu_node: Node) -> None:
    before = gpu_node.host.check_output("systemctl show --property=MainPID worker")
    assert upgrade(gpu_node).succeeded()
    assert hooks_run(gpu_node) == []
    assert gpu_node.host.check_output("systemctl show --property=MainPID worker") == before


@pytest.mark.long
def test_a_run_that_was_killed_is_finished_by_the_next_with_the_services_that_ran_before(gpu_node: Node) -> None:
    run = gpu_node.start(PLAYBOOK, **variables(gpu_node, OLD))
    end = time.monotonic() + 300
    while gpu_node.host.service("worker").is_running:
        assert time.monotonic() < end
        assert run.poll() is None
    kill(run)
    run.communicate()
    assert gpu_node.host.file(RECORD).exists
    assert hooks_run(gpu_node) == ["drain"]

    assert upgrade(gpu_node, OLD).succeeded()
    assert installed(gpu_node).startswith(OLD)
    assert gpu_node.host.service("worker").is_running
    assert hooks_run(gpu_node) == ["drain", "undrain"]
    assert not gpu_node.host.file(RECORD).exists


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is damaged"),
        ("\\377\\000", "is damaged"),
        ('{"format": 2, "services": {}}', "was written by a newer Evenkeel"),
    ],
    ids=["truncated", "garbage", "of a newer release"],
)
def test_a_note_of_an_unfinished_run_that_cannot_be_read_is_named(gpu_node: Node, content: str, words: str) -> None:
    gpu_node.host.check_output(f"install -D /dev/null {RECORD} && printf '{content}' >{RECORD}")
    try:
        assert upgrade(gpu_node).failed_saying(RECORD, words)
        assert hooks_run(gpu_node) == []
    finally:
        gpu_node.host.check_output(f"rm {RECORD}")


def test_the_control_node_is_refused(gpu_node: Node) -> None:
    assert upgrade(gpu_node, ansible_connection="local").failed_saying("is the control node")
    assert hooks_run(gpu_node) == []
