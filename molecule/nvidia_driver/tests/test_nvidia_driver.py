# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with the driver at one exact version, held, and with a module for each kernel."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest
from testinfra.host import Host


@dataclass(frozen=True)
class Names:
    """A distribution's version of the driver, what its packages are called, and its repository's newest version."""

    version: str
    driver: str
    open: str
    proprietary: str
    newest: str


DEBIAN = Names("580.178.04", "nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-kernel-dkms", "620.40.01")
ROCKY = Names("580.178.04", "nvidia-driver-cuda", "kmod-nvidia-open-dkms", "kmod-nvidia-latest-dkms", "580.195.01")
UBUNTU = Names("580.178.04", "libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-dkms-580", "580.195.01")
UBUNTU_26 = Names("595.91.07", "libnvidia-compute", "nvidia-dkms-open", "nvidia-dkms", "620.40.01")


def is_rpm(host: Host) -> bool:
    return host.file("/etc/redhat-release").exists


def is_ubuntu(host: Host) -> bool:
    return "ID=ubuntu\n" in host.file("/etc/os-release").content_string


def names(host: Host) -> Names:
    if is_ubuntu(host):
        return UBUNTU_26 if 'VERSION_ID="26.04"\n' in host.file("/etc/os-release").content_string else UBUNTU
    return ROCKY if is_rpm(host) else DEBIAN


def installed(host: Host) -> dict[str, str]:
    """Return the versions of what is installed of the driver."""
    query = (
        "rpm -qa --qf '%{NAME} %{VERSION}\\n' '*nvidia*' 'libcuda*'"
        if is_rpm(host)
        else "dpkg-query -W -f '${Package} ${Version}\\n' '*nvidia*' 'libcuda*' 'libnv*' | grep ' .'"
    )
    return dict(line.split() for line in host.check_output(query).splitlines())


def test_the_driver_is_of_one_version_though_there_is_a_newer_one(host: Host) -> None:
    listed = "dnf -q repoquery --available" if is_rpm(host) else "apt-cache madison"
    assert names(host).newest in host.check_output(f"{listed} {names(host).driver}")
    versions = {name: version for name, version in installed(host).items() if "pinning" not in name}
    assert names(host).driver in versions
    assert all(version.startswith(names(host).version) for version in versions.values()), versions


def test_the_flavour_is_the_open_one(host: Host) -> None:
    assert names(host).open in installed(host)
    assert names(host).proprietary not in installed(host)


def test_an_upgrade_by_hand_leaves_driver_and_kernel_alone(host: Host) -> None:
    if is_rpm(host):
        output = host.run("dnf --assumeno upgrade").stdout
        assert "nvidia" not in output
        assert "kernel" not in output
    else:
        output = host.check_output("apt-get --simulate dist-upgrade")
        assert not re.search(r"^Inst \S*(nvidia|linux-image)", output, re.MULTILINE)
        assert names(host).driver in host.check_output("apt-mark showhold").split()


def test_unattended_upgrades_are_told_to_keep_off(host: Host) -> None:
    if is_rpm(host):
        pytest.skip("dnf-automatic follows the holds of versionlock")
    reported = host.check_output("apt-config dump Unattended-Upgrade::Package-Blacklist")
    patterns = re.findall(r'"(.+)";', reported)
    assert any(re.match(pattern, names(host).driver) for pattern in patterns), reported
    assert "^linux-image-" in reported


def test_the_repository_is_trusted_by_a_key_of_its_own(host: Host) -> None:
    if is_rpm(host):
        repository = host.file("/etc/yum.repos.d/evenkeel-nvidia-cuda.repo").content_string
        assert "gpgkey=file:///etc/pki/rpm-gpg/evenkeel-nvidia-cuda.asc" in repository
        assert "gpgcheck=1" in repository
    else:
        repository = host.file("/etc/apt/sources.list.d/evenkeel-nvidia-cuda.sources").content_string
        assert "Signed-By: /etc/apt/keyrings/evenkeel-nvidia-cuda.gpg" in repository


def test_nouveau_is_kept_off(host: Host) -> None:
    assert "blacklist nouveau" in host.file("/etc/modprobe.d/evenkeel-nvidia-driver.conf").content_string


def test_the_persistence_daemon_starts_with_the_node(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_enabled


def test_without_nvswitch_there_is_no_fabric_manager(host: Host) -> None:
    assert not any("fabric" in name for name in installed(host))


def test_each_kernel_has_a_module_of_the_version(host: Host) -> None:
    kernels = host.check_output("ls /lib/modules").split() if host.file("/lib/modules").exists else []
    booted = [kernel for kernel in kernels if host.file(f"/boot/vmlinuz-{kernel}").exists]
    assert bool(booted) is (is_rpm(host) or is_ubuntu(host))
    for kernel in booted:
        assert host.check_output(f"modinfo -k {kernel} -F version nvidia") == names(host).version


def test_the_facts_agree(host: Host) -> None:
    facts = host.ansible("evenkeel.gpu.gpu_facts", become=True)["ansible_facts"]["evenkeel_gpu"]
    assert json.dumps(facts)
    assert facts["driver"]["userspace"] == names(host).version
    assert facts["driver"]["mismatch"] is False
    assert facts["gpus"] == []
