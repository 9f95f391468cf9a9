# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_driver makes of Ubuntu nodes that have a past, with NVIDIA's repository as it is in the field.

It has newer versions of every branch, and newer branches; the node has a kernel whose headers the role brings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node, fresh_node

PREPARE, PLAYBOOK = "molecule/nvidia_driver/prepare.yml", "molecule/nvidia_driver/converge.yml"
OLD, NEW, LEFT = "580.159.03", "580.178.04", "595.91.07"
REVISION = "1ubuntu1"
KERNEL = "6.8.0-90-generic"
OF_DRIVER = re.compile("nvidia|^libnvsdm|^cuda-drivers")
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
FILES = (
    *("/etc/apt/sources.list.d/*nvidia*", "/etc/apt/sources.list.d/*cuda*", "/etc/apt/keyrings/evenkeel-nvidia*"),
    *("/etc/apt/preferences.d/*", "/etc/apt/apt.conf.d/52evenkeel-nvidia-driver", "/usr/src/nvidia-*"),
    *("/etc/modprobe.d/evenkeel-nvidia-driver.conf", "/var/lib/dkms/nvidia", "/lib/modules/*/updates"),
)


@pytest.fixture(scope="module")
def ubuntu(worker_id: str) -> Iterator[Node]:
    """A node that passes for Ubuntu 24.04, with Ubuntu's packages and a kernel without its headers."""
    with fresh_node(f"faults-ubuntu-{worker_id}", "ubuntu2404") as node:
        assert node.play(PREPARE).succeeded()
        yield node


@pytest.fixture
def bare(ubuntu: Node) -> Iterator[Node]:
    """The same, without a driver."""
    yield ubuntu
    listed = "dpkg-query --show --showformat '${Package}\\n' '*nvidia*' 'libnvsdm*' 'cuda-*' 2>/dev/null"
    ubuntu.host.check_output(f"apt-mark showhold | xargs --no-run-if-empty apt-mark unhold; {listed} | "
                             "xargs --no-run-if-empty dpkg --purge --force-all")  # fmt: skip
    ubuntu.host.check_output(f"rm -rf {' '.join(FILES)}; apt-get update")


def play(node: Node, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, **variables)


def versions(node: Node) -> set[str]:
    """Return the versions of all installed packages of the driver."""
    listed = node.host.check_output("dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\\n'")
    rows = [line.split() for line in listed.splitlines()]
    return {row[2] for row in rows if row[0] in ("ii", "hi") and OF_DRIVER.search(row[1])}


def built(node: Node) -> str:
    return str(node.host.check_output(f"modinfo -k {KERNEL} -F version nvidia"))


def with_repository(node: Node) -> None:
    """Install ``cuda-keyring``, whose list then names the lab's repository."""
    url = f"{node.variables['lab_nvidia_repository']}/ubuntu2404/x86_64"
    package = "/root/cuda-keyring.deb"
    fetch = f"import urllib.request; urllib.request.urlretrieve('{url}/cuda-keyring_1.1-1_all.deb', '{package}')"
    node.host.check_output(f'python3 -c "{fetch}" && dpkg --install {package} && rm {package}')
    lists = "/etc/apt/sources.list.d/cuda-*.list"
    node.host.check_output(f"sed --in-place 's|https://[^ ]*|{url}/|' {lists} && apt-get update")


def test_an_upgrade_builds_the_module_out_of_two_packages(bare: Node) -> None:
    assert play(bare, nvidia_driver_version=OLD).succeeded()
    assert (versions(bare), built(bare)) == ({f"{OLD}-{REVISION}"}, OLD)
    assert play(bare).succeeded()
    assert (versions(bare), built(bare)) == ({f"{NEW}-{REVISION}"}, NEW)


def test_the_same_repository_under_another_name_is_taken_over(bare: Node) -> None:
    with_repository(bare)
    assert play(bare).succeeded()
    assert versions(bare) - {"1.1-1"} == {f"{NEW}-{REVISION}"}
    assert bare.host.check_output("apt-get update").count("Conflicting") == 0


@pytest.mark.parametrize(
    "past", ["nvidia-driver-535-server", "nvidia-headless-580-server-open", "nvidia-driver-570", "nvidia-driver-580"]
)
def test_ubuntu_s_own_driver_is_replaced(bare: Node, past: str) -> None:
    bare.host.check_output(f"{INSTALL} {past}")
    assert play(bare).succeeded()
    assert (versions(bare), built(bare)) == ({f"{NEW}-{REVISION}"}, NEW)


def test_another_branch_is_replaced(bare: Node) -> None:
    assert play(bare, nvidia_driver_branch="570").succeeded()
    assert play(bare).succeeded()
    assert (versions(bare), built(bare)) == ({f"{NEW}-{REVISION}"}, NEW)


def test_what_another_driver_left_with_dkms_is_named_and_not_built(bare: Node) -> None:
    assert play(bare).succeeded()
    fetched = f"apt-get download nvidia-dkms-open={LEFT}-{REVISION} nvidia-kernel-source-open={LEFT}-{REVISION}"
    extract = "for one in *.deb; do dpkg --extract $one / && rm $one; done"
    bare.host.check_output(f"cd /root && {fetched} && {extract} && dkms add nvidia/{LEFT}")
    answer = play(bare)
    assert answer.succeeded()
    assert LEFT in answer.output
    assert built(bare) == NEW
    assert f"nvidia/{LEFT}, {KERNEL}" not in bare.host.check_output("dkms status")


def test_a_kernel_whose_headers_are_gone_is_refused_before_any_change(bare: Node) -> None:
    bare.host.check_output(f"{INSTALL} linux-image-6.8.0-79-generic")
    before = bare.fingerprint()
    assert play(bare).failed_saying("6.8.0-79-generic")
    assert bare.fingerprint() == before
    bare.host.check_output("dpkg --purge linux-image-6.8.0-79-generic linux-modules-6.8.0-79-generic")


def test_a_repository_without_the_branch_names_those_that_it_has(worker_id: str) -> None:
    with fresh_node(f"faults-ubuntu-{worker_id}", "ubuntu2604") as node:
        assert node.play(PREPARE).succeeded()
        before = node.fingerprint()
        assert play(node).failed_saying("580", "595")
        assert node.fingerprint() == before
