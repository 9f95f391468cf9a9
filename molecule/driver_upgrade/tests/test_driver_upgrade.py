# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine runs after playbooks/upgrade_driver.yml took it from one driver to the next."""

from __future__ import annotations

import re

from testinfra.host import Host

VERSION = "580.178.04"
NAME = re.compile(r"nvidia|^libnvsdm|^cuda-drivers")


def test_the_new_driver_is_loaded(host: Host) -> None:
    assert host.file("/sys/module/nvidia/version").content_string.strip() == VERSION
    assert "Open Kernel Module" in host.file("/proc/driver/nvidia/version").content_string
    assert host.check_output("/sbin/modinfo -F version nvidia") == VERSION


def test_every_package_of_the_driver_is_of_that_version_and_held(host: Host) -> None:
    listed = host.check_output("dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\\n'")
    rows = [line.split() for line in listed.splitlines()]
    driver = {name: version for status, name, version in rows if status in {"ii", "hi"} and NAME.search(name)}
    assert "nvidia-persistenced" in driver
    assert {version.partition("-")[0] for version in driver.values()} == {VERSION}
    assert driver.keys() <= set(host.check_output("apt-mark showhold").split())


def test_the_kernel_has_headers_by_its_release_and_so_will_later_ones(host: Host) -> None:
    assert host.package(f"linux-headers-{host.check_output('uname -r')}").is_installed
    images = [name for name in ("linux-image-generic", "linux-image-amd64") if host.package(name).is_installed]
    headers = [name.replace("image", "headers") for name in images]
    assert images
    assert all(host.package(name).is_installed for name in headers)
    assert {*images, *headers} <= set(host.check_output("apt-mark showhold").split())


def test_what_was_stopped_runs_again(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_running


def test_nothing_is_left_begun(host: Host) -> None:
    assert not host.file("/var/lib/evenkeel/upgrade_driver.json").exists
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.check_output("dpkg --audit") == ""
