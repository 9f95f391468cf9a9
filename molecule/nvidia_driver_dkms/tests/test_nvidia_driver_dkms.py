# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own driver on Debian's own kernel."""

from __future__ import annotations

from testinfra.host import Host


def kernel(host: Host) -> str:
    return host.check_output("ls /lib/modules")


def version(host: Host) -> str:
    return host.package("nvidia-kernel-dkms").version.partition("-")[0]


def test_the_module_is_built_for_the_kernel_that_boots(host: Host) -> None:
    assert f"nvidia-current/{version(host)}, {kernel(host)}, x86_64: installed" in host.check_output("dkms status")
    assert host.check_output(f"modinfo -k {kernel(host)} -F version nvidia-current") == version(host)
    assert host.check_output(f"modinfo -k {kernel(host)} -F license nvidia-current") == "NVIDIA"


def test_every_package_is_whole(host: Host) -> None:
    assert host.check_output("dpkg --audit") == ""


def test_driver_and_kernel_are_held_together(host: Host) -> None:
    held = host.check_output("apt-mark showhold").split()
    assert {"nvidia-kernel-dkms", "nvidia-smi", "libcuda1", "linux-image-amd64", "linux-headers-amd64"} <= set(held)


def test_the_facts_find_the_module(host: Host) -> None:
    facts = host.ansible("evenkeel.gpu.gpu_facts", become=True)["ansible_facts"]["evenkeel_gpu"]
    found = [one for one in facts["kernels"] if one["release"] == kernel(host)]
    assert [module["version"] for module in found[0]["modules"]] == [version(host)]
    assert found[0]["bootable"]
