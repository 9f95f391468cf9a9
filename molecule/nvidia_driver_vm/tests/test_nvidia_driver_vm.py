# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine with a kernel of its own has and runs after the role nvidia_driver, a kernel's upgrade and reboots."""

from __future__ import annotations

from testinfra.host import Host

VERSION = "580.178.04"


def kernels(host: Host) -> list[str]:
    return str(host.check_output("ls /lib/modules")).split()


def test_the_other_kernel_runs_with_the_driver_loaded(host: Host) -> None:
    assert host.check_output("uname -r").endswith("-cloud-amd64")
    assert host.file("/sys/module/nvidia/version").content_string.strip() == VERSION
    assert VERSION in host.file("/proc/driver/nvidia/version").content_string


def test_every_kernel_has_the_module_of_that_version_and_flavour(host: Host) -> None:
    assert len(kernels(host)) == 2
    for release in kernels(host):
        assert host.check_output("/sbin/modinfo -k %s -F version nvidia", release) == VERSION
        assert "GPL" in host.check_output("/sbin/modinfo -k %s -F license nvidia", release)


def test_nouveau_is_kept_off_from_the_first_moment_of_the_boot(host: Host) -> None:
    assert not host.file("/sys/module/nouveau").exists
    for release in kernels(host):
        names = host.check_output("lsinitramfs /boot/initrd.img-%s", release).splitlines()
        assert "etc/modprobe.d/evenkeel-nvidia-driver.conf" in names


def test_the_driver_and_the_kernels_are_held(host: Host) -> None:
    held = host.check_output("apt-mark showhold").split()
    assert {"nvidia-kernel-open-dkms", "nvidia-driver-cuda", "linux-image-amd64"} <= set(held)


def test_the_persistence_daemon_runs(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_running
