# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_container_toolkit does with Docker's settings and its daemon, and as drivers come and change.

No GPU is here, and no Docker: a folder mounted over ``/sys/module`` says which driver is loaded, and a daemon of
a few lines reports what it was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node

PLAYBOOK = "molecule/nvidia_container_toolkit/converge.yml"
SETTINGS = "/etc/docker/daemon.json"
SPECIFICATION = "/var/run/cdi/nvidia.yaml"
LOADED = "/tmp/evenkeel-loaded"  # noqa: S108
REPORTED = "/run/docker-commands"
LIBRARIES = "/usr/lib/x86_64-linux-gnu/libcuda.so"
UNIT = f"""\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo start >>{REPORTED}; cp {SETTINGS} /run/docker-settings 2>/dev/null || true'
ExecReload=/bin/sh -c 'echo reload >>{REPORTED}'
"""
#: Reports, as Docker 28.1 does, a runtime when it has been reloaded, and of CDI when it has been restarted.
DOCKER = f"""\
#!/usr/bin/python3
import json, os
settings = json.load(open("{SETTINGS}")) if os.path.exists("{SETTINGS}") else {{}}
started = json.load(open("/run/docker-settings")) if os.path.exists("/run/docker-settings") else {{}}
reported = open("{REPORTED}").read().split()
runtimes = settings if reported[-1] == "reload" else started
cdi = started.get("features", {{}}).get("cdi", False)
print(json.dumps({{"Runtimes": {{"runc": {{}}, **runtimes.get("runtimes", {{}})}}, "CDISpecDirs": ["/etc/cdi"] * cdi}}))
"""
MADE = (
    *("/etc/docker", REPORTED, "/run/docker-settings", "/usr/local/bin/docker", "/usr/local/bin/dockerd"),
    *("/etc/systemd/system/docker.service", SPECIFICATION, f"{LIBRARIES}.*", LOADED, "/usr/bin/nvidia-smi"),
)


def strip(node: Node) -> None:
    node.host.run("umount /sys/module; systemctl stop docker.service")
    node.host.check_output(
        "dpkg-query --show --showformat '${Package}\\n' '*nvidia-container*' 2>/dev/null"
        " | xargs --no-run-if-empty dpkg --purge --force-all"
    )
    node.host.check_output(f"rm -rf {' '.join(MADE)}; systemctl daemon-reload")


@pytest.fixture
def bare(node: Node) -> Iterator[Node]:
    """A node without the toolkit, Docker and a driver."""
    strip(node)
    yield node
    strip(node)


@pytest.fixture
def docker(bare: Node) -> Node:
    """A node on which Docker runs."""
    bare.host.check_output("printf %%s %s >/etc/systemd/system/docker.service", UNIT)
    bare.host.check_output("printf %%s %s >/usr/local/bin/docker", DOCKER)
    bare.host.check_output(
        "cd /usr/local/bin && chmod 755 docker && ln -s docker dockerd"
        " && systemctl daemon-reload && systemctl start docker"
    )
    return bare


def play(node: Node, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, **{"nvidia_container_toolkit_runtimes": ["auto"], **variables})


def reported(node: Node) -> list[str]:
    return str(node.host.file(REPORTED).content_string).split()


def load(node: Node, loaded: str, *installed: str) -> None:
    """Have a driver loaded, and the libraries of some installed."""
    node.host.run("umount /sys/module")
    node.host.check_output(f"rm -f {LIBRARIES}.*")
    kernel = node.host.check_output("uname -r")
    node.host.check_output(
        f"mkdir -p {LOADED}/nvidia /lib/modules/{kernel}"
        f" && echo {loaded} >{LOADED}/nvidia/version && mount --bind {LOADED} /sys/module"
        f" && echo kernel/nvidia.ko: >/lib/modules/{kernel}/modules.dep"
        f" && touch {' '.join(f'{LIBRARIES}.{version}' for version in installed)}"
        " && ln -sf /bin/true /usr/bin/nvidia-smi"
    )


@pytest.mark.parametrize(
    ("variables", "settings", "words"),
    [
        ({}, '{"log-driver": "journald",}', ("is not JSON that Docker can read", "line 1 column")),
        (
            {"nvidia_container_toolkit_version": "1.19.9"},
            "{}",
            ("no version 1.19.9", "they have 1.20.1, 1.19.1, 1.18.1"),
        ),
        ({"nvidia_container_toolkit_repository_key_sha256": "0" * 64}, "{}", ("gpgkey has the SHA-256",)),
    ],
)
def test_what_cannot_be_meant_changes_nothing(
    bare: Node, variables: dict[str, Any], settings: str, words: tuple[str, ...]
) -> None:
    bare.host.check_output(f"mkdir -p /etc/docker && printf %%s %s >{SETTINGS}", settings)
    before = bare.fingerprint()
    assert play(bare, nvidia_container_toolkit_runtimes=["docker"], **variables).failed_saying(*words)
    assert bare.fingerprint() == before


def test_docker_is_reloaded_and_restarted_only_where_it_may_be(docker: Node) -> None:
    answer = play(docker)
    assert answer.succeeded()
    assert "which stops its containers: restart it, or set restart_docker" in answer.output
    assert reported(docker) == ["start", "reload"]
    answer = play(docker, nvidia_container_toolkit_restart_docker=True)
    assert answer.succeeded()
    assert "which stops its containers" not in answer.output
    assert reported(docker) == ["start", "reload", "start"]
    assert "changed=0" in play(docker, nvidia_container_toolkit_restart_docker=True).output


def test_docker_that_was_not_told_by_a_killed_run_is_told_by_the_next(docker: Node) -> None:
    settings = '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}, "features": {"cdi": true}}'
    docker.host.check_output(f"mkdir -p /etc/docker && printf %%s %s >{SETTINGS}", settings)
    assert play(docker).succeeded()
    assert reported(docker) == ["start", "reload"]


def test_the_specification_follows_the_driver(bare: Node) -> None:
    answer = play(bare)
    assert answer.succeeded()
    assert "no driver is loaded" in answer.output
    load(bare, "580.159.03", "580.159.03")
    assert play(bare).succeeded()
    assert f"{LIBRARIES}.580.159.03" in bare.host.file(SPECIFICATION).content_string
    assert "changed=0" in play(bare).output
    # A new driver is installed: containers keep the old one until the machine has been rebooted.
    load(bare, "580.159.03", "580.178.04")
    answer = play(bare)
    assert "waits for a reboot: the driver 580.159.03 is loaded, and 580.178.04 is installed" in answer.output
    assert "changed=0" in answer.output
    load(bare, "580.178.04", "580.178.04")
    assert play(bare).succeeded()
    assert f"{LIBRARIES}.580.178.04" in bare.host.file(SPECIFICATION).content_string


def test_a_specification_that_is_not_made_is_told(bare: Node) -> None:
    load(bare, "580.178.04", "580.178.04")
    bare.host.check_output("rm /usr/bin/nvidia-smi")
    assert play(bare).failed_saying("nvidia-cdi-refresh.service created no specification of the driver 580.178.04")
