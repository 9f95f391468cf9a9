# SPDX-License-Identifier: GPL-3.0-or-later
"""A node gets layers by site.yml and is rid of them by remove.yml: what was there before is there, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node, fresh_node

pytestmark = pytest.mark.long

PLAYBOOK = "playbooks/remove.yml"
TAGS = "miniconda,condarc,nvidia_container_toolkit,conda_environments,jupyter,remote_access,front_door"
DECLARED: dict[str, Any] = {
    "conda_environments_list": [{"name": "jupyter"}],
    "front_door_enabled": True,
    "front_door_hosts": ["debian12-1.evenkeel.test"],
    "jupyter_users": [{"name": "ana"}, {"name": "bo"}],
    "jupyter_kernels": [{"name": "jupyter"}],
    "front_door_users_share_origin": True,
    "nvidia_container_toolkit_runtimes": ["docker", "podman"],
    "nvidia_container_toolkit_version": "1.19.1",
}
#: What a package manager, a log and conda keep of what was there, and what nginx's package leaves.
KEPT = ("/var/cache", "/var/log", "/var/lib/apt", "/var/lib/dpkg", "/var/lib/systemd", "/var/lib/ucf", "/root/.cache")
PROGRAMS = ("/root/.conda", "/var/www")
PLACES = (*KEPT, *PROGRAMS, "'/home/*'", "/dev", "/proc", "/run", "/sys", "/tmp", "'*/.ansible'")  # noqa: S108
PRUNED = " -o ".join(f"-path {place}" for place in PLACES)
LISTED = (
    f"find / -xdev \\( {PRUNED} \\) -prune -o ! -type d -printf '%p %m %U:%G %s %l\\n' -o -printf '%p/ %m %U:%G\\n'"
)


@pytest.fixture(scope="module")
def dressed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, set[str], dict[str, Any]]]:
    """A node with all of it, what it had before, and what is declared."""
    with fresh_node("remove") as node:
        node.host.check_output("useradd --create-home ana && useradd --create-home bo")
        source = (
            f"Types: deb\\nURIs: {node.variables['lab_mirror_url']}/debian\\nSuites: bookworm\\nComponents: main\\n"
        )
        source += "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\\n"
        node.host.check_output(f"printf '{source}' >/etc/apt/sources.list.d/debian.sources")
        node.host.check_output("rm -r /var/lib/evenkeel")
        before = listed(node)
        repository = node.variables["lab_nvidia_container_repository"]
        declared = {**DECLARED, "front_door_ca_directory": str(tmp_path_factory.mktemp("ca"))}
        declared["evenkeel_nvidia_container_repository"] = repository
        assert node.play(tags=TAGS, **declared).succeeded()
        yield node, before, declared


def listed(node: Node) -> set[str]:
    return set(node.host.check_output(LISTED).splitlines())


def remove(node: Node, *options: str, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, *options, remove_confirm=False, **variables)


def said(answer: Answer, key: str) -> list[str]:
    """Return what the last message of a run has under a key."""
    text = answer.output[answer.output.rindex('"msg": {') + len('"msg": ') :]
    found: list[str] = json.JSONDecoder().raw_decode(text)[0][key]
    return found


def test_what_can_not_be_removed_is_refused(dressed: tuple[Node, set[str], dict[str, Any]]) -> None:
    node, _before, _declared = dressed
    there = listed(node)
    assert remove(node, remove_layers="jupyter,nowhere").failed_saying("nowhere", "front_door, jupyter")
    assert remove(node, remove_layers="jupyter").failed_saying("jupyter carries front_door", "remove_layers")
    assert remove(node, remove_layers="front_door", front_door_enabled=True).failed_saying("front_door_enabled")
    assert node.play(PLAYBOOK, remove_layers="front_door").failed_saying("remove_confirm=false")
    assert listed(node) == there


def test_a_rehearsal_changes_nothing_and_names_what_goes(dressed: tuple[Node, set[str], dict[str, Any]]) -> None:
    node, _before, _declared = dressed
    there = node.fingerprint()
    answer = remove(node, "--check", "--diff")
    assert answer.succeeded()
    assert "evenkeel-front-door.conf" in answer.output
    token = node.host.check_output("cat /etc/evenkeel/jupyter/ana/token").strip()
    assert token not in answer.output
    assert node.fingerprint() == there


def test_layers_go_and_come_again(dressed: tuple[Node, set[str], dict[str, Any]]) -> None:
    node, before, declared = dressed
    node.host.check_output("touch ~ana/mine.ipynb /etc/evenkeel/jupyter/notes && touch /etc/nginx/conf.d/other.conf")
    answer = remove(node)
    assert answer.succeeded()
    assert "/etc/evenkeel/jupyter/notes: not made by Evenkeel" in answer.output
    assert "nginx: /etc/nginx/conf.d/other.conf may make it serve more" in answer.output
    assert node.host.service("nginx").is_running
    assert node.host.file("/home/ana/mine.ipynb").exists
    node.host.check_output("rm ~ana/mine.ipynb /etc/evenkeel/jupyter/notes /etc/nginx/conf.d/other.conf")
    assert remove(node).succeeded()
    assert not node.host.package("nginx").is_installed
    again = remove(node)
    assert again.succeeded()
    assert "changed=0" in again.output
    assert node.host.run("systemctl list-units --all 'jupyter*' --no-legend").stdout.strip() == ""
    assert listed(node) == before
    assert node.play(tags=TAGS, **declared).succeeded()
    assert node.host.service("nginx").is_running


GPU_TAGS = "nvidia_driver,cuda_toolkit"
GPU: dict[str, Any] = {
    "nvidia_driver_without_gpu": True,
    "cuda_toolkit_versions": ["12.8", "13.0"],
    "cuda_toolkit_default": "12.8",
    "cuda_toolkit_cudnn": "9",
}
DRIVER = {"remove_layers": "nvidia_driver"}
THEIRS = "/etc/apt/sources.list.d/somebodys.list"
#: What the driver's packages write for an account, which they leave.
WRITTEN = {f"/etc/{name}{end}" for name in ("passwd", "group", "shadow", "gshadow") for end in ("", "-")}


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
    assert {line.split()[0] for line in listed(node) ^ before} <= WRITTEN


def test_driver_and_toolkits_come_again(with_driver: tuple[Node, set[str]]) -> None:
    node, _before = with_driver
    assert node.play(tags=GPU_TAGS, **GPU).succeeded()
    assert node.host.file("/usr/local/cuda").linked_to == "/usr/local/cuda-12.8"
    assert node.host.check_output("modinfo -k $(ls /lib/modules) -F version nvidia") == "580.178.04"
