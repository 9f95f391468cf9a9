# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine runs after playbooks/upgrade_driver.yml took it from one driver to the next."""

from __future__ import annotations

from testinfra.host import Host

VERSION = "580.178.04"


def test_the_new_driver_is_loaded(host: Host) -> None:
    assert host.file("/sys/module/nvidia/version").content_string.strip() == VERSION
    assert "Open Kernel Module" in host.file("/proc/driver/nvidia/version").content_string
    assert host.check_output("/sbin/modinfo -F version nvidia") == VERSION


def test_what_was_stopped_runs_again(host: Host) -> None:
    assert host.service("nvidia-persistenced").is_running


def test_nothing_is_left_begun(host: Host) -> None:
    assert not host.file("/var/lib/evenkeel/upgrade_driver.json").exists
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.check_output("dpkg --audit") == ""
