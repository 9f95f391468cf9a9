# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of Red Hat's family as others have left them: without repositories, with a stream of the driver's module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Node, fresh_node
from tests.faults.test_preflight import look

NAME = "rocky9-1"
BASE = """[baseos]
name=BaseOS
baseurl={mirror}/rocky/9/BaseOS/x86_64/os/
gpgcheck=1
gpgkey={mirror}/rocky/RPM-GPG-KEY-Rocky
"""
NVIDIA = """[of-others]
name=NVIDIA
baseurl={mirror}/nvidia/compute/cuda/repos/rhel9/x86_64/
gpgcheck=0
"""


@pytest.fixture(scope="module")
def rocky(worker_id: str) -> Iterator[Node]:
    """A node of Rocky Linux 9 without any repository, as RHEL is without a subscription."""
    with fresh_node(f"faults-el-{worker_id}", "rocky9") as node:
        node.host.check_output("rpm --query --all")  # the stand-in's rpm makes its database when it is first asked
        yield node


def add(node: Node, name: str, text: str) -> None:
    """Add a file of repositories."""
    text = text.format(mirror=node.variables["lab_mirror_url"])
    node.host.check_output(f"printf %%s %s >/etc/yum.repos.d/{name}.repo", text)


def test_a_node_without_repositories_is_told_how_to_get_them(rocky: Node, tmp_path: Path) -> None:
    before = rocky.fingerprint()
    _answer, report = look(rocky, tmp_path, nvidia_driver_without_gpu=True)
    problems = [one for one in report[NAME]["problems"] if "subscription-manager register" in one]
    assert {one.partition(":")[0] for one in problems} >= {"nvidia_driver", "nvidia_container_toolkit"}
    assert all(re.search("No repository of (dnf|the distribution) is enabled on the node", one) for one in problems)
    assert rocky.fingerprint() == before


def test_a_stream_that_somebody_has_enabled_does_not_choose_the_driver(rocky: Node, tmp_path: Path) -> None:
    add(rocky, "baseos", BASE)
    add(rocky, "of-others", NVIDIA)
    rocky.host.check_output("dnf --assumeyes install kernel kernel-devel")
    rocky.host.check_output("dnf --assumeyes module enable nvidia-driver:570-dkms")
    before = rocky.fingerprint()
    _answer, report = look(rocky, tmp_path, nvidia_driver_without_gpu=True)
    assert report[NAME]["problems"] == []
    assert report[NAME]["driver"]["branch"] == "580"
    assert report[NAME]["changes"]["nvidia_driver"]
    assert rocky.fingerprint() == before
    # What the stream holds back without Evenkeel's repository.
    versions = rocky.host.check_output("dnf --quiet repoquery --queryformat '%{version}\\n' nvidia-driver-cuda")
    assert {version.partition(".")[0] for version in versions.split()} == {"570"}
