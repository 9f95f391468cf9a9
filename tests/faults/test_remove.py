# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal that is killed, and removal of CUDA and the driver; the scenario ``remove`` has the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab import wait
from lab.nodes import snapshot
from tests.faults.conftest import Answer, Node, fresh_node, kill

pytestmark = pytest.mark.long

PLAYBOOK = "playbooks/remove.yml"
TAGS = "miniconda,condarc,conda_environments,jupyter"
DECLARED: dict[str, Any] = {"conda_environments_list": [{"name": "jupyter"}], "jupyter_users": [{"name": "ana"}]}


def listed(node: Node) -> set[str]:
    return set(node.host.check_output(snapshot.COMMAND).splitlines())


def remove(node: Node, *options: str, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, *options, remove_confirm=False, **variables)


def said(answer: Answer, key: str) -> list[str]:
    """Return what the last message of a run has under a key."""
    text = answer.output[answer.output.rindex('"msg": {') + len('"msg": ') :]
    found: list[str] = json.JSONDecoder().raw_decode(text)[0][key]
    return found


@pytest.fixture(scope="module")
def bare() -> Iterator[Node]:
    """A node with somebody, on which Evenkeel never was."""
    with fresh_node("remove_killed") as node:
        node.host.check_output("useradd --create-home ana && rm -r /var/lib/evenkeel")
        yield node


@pytest.mark.parametrize("gone", ["/etc/evenkeel/jupyter/servers.json", "/opt/evenkeel/envs/jupyter"])
def test_a_removal_that_was_killed_is_finished_by_the_next(bare: Node, gone: str) -> None:
    before = listed(bare)
    assert bare.play(tags=TAGS, **DECLARED).succeeded()
    run = bare.start(PLAYBOOK, remove_confirm=False)
    wait.until(lambda: not bare.host.file(gone).exists, f"{gone} goes", "", seconds=120)
    kill(run)
    run.communicate()
    assert bare.host.file("/opt/evenkeel").exists
    assert remove(bare).succeeded()
    assert listed(bare) == before


GPU_TAGS = "nvidia_driver,cuda_toolkit"
GPU: dict[str, Any] = {"nvidia_driver_without_gpu": True, "cuda_toolkit_versions": ["12.8"]}
DRIVER = {"remove_layers": "nvidia_driver"}
THEIRS = "/etc/apt/sources.list.d/somebodys.list"
#: What the driver's packages write for an account, which they leave; a directory of the system's; the key that DKMS has
#: made for itself, and depmod's files.
WRITTEN = {f"/etc/{name}{end}" for name in ("passwd", "group", "shadow", "gshadow") for end in ("", "-")}
WRITTEN.update(("/etc/modprobe.d/", "/var/lib/dkms/", "/var/lib/dkms/mok.key", "/var/lib/dkms/mok.pub"))
OF_DEPMOD = re.compile(r"/usr/lib/modules/[^/]+/modules\.[a-z.]+")


@pytest.fixture(scope="module")
def with_driver() -> Iterator[tuple[Node, set[str]]]:
    """A node with driver and toolkits, and what it had before, a toolkit and an entry of the same repository too."""
    with fresh_node("remove_gpu") as node:
        signed, mirror = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg", node.variables["lab_mirror_url"]
        source = f"deb [{signed}] {mirror}/debian bookworm main"
        node.host.check_output(f"echo '{source}' >/etc/apt/sources.list.d/debian.list && apt-get update")
        install = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
        node.host.check_output(f"{install} linux-headers-amd64")
        node.host.check_output("for folder in /lib/modules/*; do touch /boot/vmlinuz-${folder##*/}; done")
        url = f"{node.variables['lab_nvidia_repository']}/debian12/x86_64"
        node.host.check_output(f"echo 'deb [trusted=yes] {url} /' >{THEIRS}")
        node.host.check_output(
            "install -D /bin/true /usr/local/cuda-11.8/bin/nvcc && ln -s /usr/local/cuda-11.8 /usr/local/cuda"
        )
        node.host.check_output("rm -r /var/lib/evenkeel")
        before = listed(node)
        assert node.play(tags=GPU_TAGS, **GPU).succeeded()
        yield node, before


def test_the_driver_stays_while_a_gpu_is_in_use_and_where_it_is_not_named(with_driver: tuple[Node, set[str]]) -> None:
    node, _before = with_driver
    there = node.fingerprint()
    node.host.check_output("mknod -m 666 /dev/nvidia0 c 1 3")
    node.host.check_output("sh -c 'sleep 86400 </dev/nvidia0 >/dev/null 2>&1 & echo $! >/tmp/pid'")
    assert remove(node, **DRIVER).failed_saying("the GPU is in use by", "sleep (root", "stop their service")
    node.host.check_output("kill $(cat /tmp/pid) && rm /tmp/pid /dev/nvidia0")
    rehearsed = remove(node, "--check", "--diff", **DRIVER)
    assert rehearsed.succeeded()
    for part in ("apt/preferences.d/evenkeel-nvidia", "modprobe.d/evenkeel-nvidia", "nvidia-kernel-open-dkms"):
        assert part in rehearsed.output
    whole = remove(node, "--check")
    assert "nvidia_driver: it goes only if remove_layers names it" in said(whole, "stays")
    assert said(whole, "goes") == ["cuda_toolkit"]
    assert node.fingerprint() == there


def test_toolkits_go_where_they_are_switched_off_and_those_of_others_stay(with_driver: tuple[Node, set[str]]) -> None:
    node, _before = with_driver
    assert node.host.file("/usr/local/cuda").linked_to == "/usr/local/cuda-12.8"
    answer = node.play(tags="cuda_toolkit", cuda_toolkit_state="absent")
    assert answer.succeeded()
    assert "/usr/local/cuda-11.8: it does not belong to a package" in answer.output
    assert "the repository evenkeel-nvidia-cuda: it goes with the driver" in answer.output
    assert node.host.file("/usr/local/cuda").linked_to == "/usr/local/cuda-11.8"
    assert "changed=0" in node.play(tags="cuda_toolkit", cuda_toolkit_state="absent").output


def test_the_driver_goes_also_where_a_run_was_killed(with_driver: tuple[Node, set[str]]) -> None:
    node, before = with_driver
    process = node.start(PLAYBOOK, remove_confirm=False, **DRIVER)
    node.host.check_output("until pgrep --full '[d]kms .*remove' >/dev/null; do sleep 0.02; done")
    node.host.run("pkill -KILL python3; pkill -KILL apt-get; pkill -KILL dpkg; pkill -KILL --full '[d]kms'")
    process.communicate()
    assert process.returncode != 0
    assert remove(node, **DRIVER).succeeded()
    assert node.host.check_output("dpkg --audit") == ""
    again = remove(node, **DRIVER)
    assert again.succeeded()
    assert "changed=0" in again.output
    assert remove(node).succeeded()
    written = {line.split()[0] for line in listed(node) ^ before} - WRITTEN
    assert sorted(path for path in written if not OF_DEPMOD.fullmatch(path)) == []


def test_driver_and_toolkits_come_again(with_driver: tuple[Node, set[str]]) -> None:
    node, _before = with_driver
    assert node.play(tags=GPU_TAGS, **GPU).succeeded()
    assert node.host.file("/usr/local/cuda").linked_to == "/usr/local/cuda-12.8"
    assert node.host.check_output("modinfo -k $(ls /lib/modules) -F version nvidia") == "580.178.04"
