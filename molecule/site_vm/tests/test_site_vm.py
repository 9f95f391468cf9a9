# SPDX-License-Identifier: GPL-3.0-or-later
"""What only a machine with a kernel of its own shows: a driver that runs, and limits that control groups 2 enforce."""

from __future__ import annotations

import os

import pytest
from testinfra.host import Host

from lab.errors import LabError
from lab.nodes import nodes
from lab.people import notebook
from lab.people.notebook import Server

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]
MAIN_PID = "systemctl show --property=MainPID --value jupyter@jupyter"


@pytest.fixture
def server(host: Host) -> Server:
    return notebook.at(next(node for node in nodes.find(GROUP) if node.name == host.backend.host).address)


def test_the_driver_runs(host: Host) -> None:
    assert host.file("/sys/module/nvidia/version").content_string.startswith("580.")
    assert not host.file("/sys/module/nouveau").exists


def test_a_notebook_computes_and_sees_its_own_processes_alone(host: Host, server: Server) -> None:
    assert host.check_output("stat --file-system --format=%T /sys/fs/cgroup") == "cgroup2fs"
    cell = "import os; print(6 * 7, os.path.exists('/proc/1'), os.access('/dev/kmsg', os.R_OK))"
    assert server.run("minimal", cell) == "42 False False\n"


def test_a_kernel_out_of_memory_takes_nothing_with_it(host: Host, server: Server) -> None:
    main = host.check_output(MAIN_PID)
    with pytest.raises(LabError, match="the kernel died"):
        server.run("minimal", "hog = [bytearray(1 << 20) for _ in range(4096)]")
    assert server.run("minimal", "print(1)") == "1\n"
    assert host.check_output(MAIN_PID) == main


def test_exposure_is_low(host: Host) -> None:
    rated = host.run("systemd-analyze security --no-pager --threshold=25 jupyter@jupyter.service")
    assert rated.rc == 0, rated.stdout
