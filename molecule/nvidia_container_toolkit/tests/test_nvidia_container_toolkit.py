# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node has after the role nvidia_container_toolkit, with the lab's stand-ins of NVIDIA's packages."""

from __future__ import annotations

import json

from testinfra.host import Host

VERSION = "1.19.1"
PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
SETTINGS = "/etc/docker/daemon.json"


def test_all_packages_have_the_version_and_are_held(host: Host) -> None:
    rpm = host.file("/etc/redhat-release").exists
    version = "rpm -q --qf '%{VERSION}-%{RELEASE}'" if rpm else "dpkg-query -W -f '${Version}'"
    held = host.check_output("dnf -q versionlock list" if rpm else "apt-mark showhold").splitlines()
    for name in PACKAGES:
        assert host.check_output(f"{version} {name}") == f"{VERSION}-1"
        assert any(line == name or line.startswith(f"{name}-0:{VERSION}") for line in held)


def test_the_command_answers(host: Host) -> None:
    assert VERSION in host.check_output("nvidia-ctk --version")


def test_docker_knows_the_runtime_and_cdi(host: Host) -> None:
    settings = json.loads(host.file(SETTINGS).content_string)
    assert settings["runtimes"]["nvidia"] == {"path": "nvidia-container-runtime", "args": []}
    assert settings["features"]["cdi"] is True


def test_what_people_have_set_is_there_still(host: Host) -> None:
    mode, settings = host.file(SETTINGS).mode, json.loads(host.file(SETTINGS).content_string)
    if "debian13" in host.backend.get_hostname():
        assert (mode, sorted(settings)) == (0o644, ["features", "runtimes"])
        return
    assert mode == 0o600
    assert settings["log-driver"] == "journald"
    assert settings["features"]["buildkit"] is True
    assert settings["runtimes"]["kata"] == {"path": "/usr/bin/kata-runtime"}


def test_the_specification_is_made_when_a_driver_comes(host: Host) -> None:
    assert host.service("nvidia-cdi-refresh.path").is_enabled
    assert host.service("nvidia-cdi-refresh.path").is_running
    assert host.service("nvidia-cdi-refresh.service").is_enabled
    assert not host.file("/var/run/cdi/nvidia.yaml").exists
