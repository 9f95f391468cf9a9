# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_driver makes of Ubuntu nodes that have a past, with NVIDIA's repository as it is in the field.

It has newer versions of every branch, and newer branches; the node has a kernel whose headers the role brings.
"""

from __future__ import annotations

import pytest

from tests.faults.conftest import Node, fresh_node
from tests.faults.ubuntu_nodes import INSTALL, KERNEL, LEFT, NEW, OLD, PREPARE, REVISION, built, play, versions

pytestmark = pytest.mark.long

TOOLKITS = "molecule/cuda_toolkit/converge.yml"


def test_an_upgrade_builds_the_module_out_of_two_packages(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu)) == ({f"{OLD}-{REVISION}"}, OLD)
    assert play(bare_ubuntu).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu)) == ({f"{NEW}-{REVISION}"}, NEW)


@pytest.mark.parametrize(
    "past", ["nvidia-driver-535-server", "nvidia-headless-580-server-open", "nvidia-driver-570", "nvidia-driver-580"]
)
def test_ubuntu_s_own_driver_is_replaced(bare_ubuntu: Node, past: str) -> None:
    bare_ubuntu.host.check_output(f"{INSTALL} {past}")
    assert play(bare_ubuntu).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu)) == ({f"{NEW}-{REVISION}"}, NEW)


@pytest.mark.parametrize("branch", ["570", "595"])
def test_another_branch_is_replaced(bare_ubuntu: Node, branch: str) -> None:
    assert play(bare_ubuntu, nvidia_driver_branch=branch).succeeded()
    assert play(bare_ubuntu).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu)) == ({f"{NEW}-{REVISION}"}, NEW)


@pytest.mark.parametrize("graphics", [False, True])
def test_another_flavour_comes_with_another_version(bare_ubuntu: Node, graphics: bool) -> None:
    past = {"nvidia_driver_version": OLD, "nvidia_driver_flavour": "proprietary"}
    assert play(bare_ubuntu, nvidia_driver_graphics=graphics, **past).succeeded()
    assert play(bare_ubuntu, nvidia_driver_graphics=graphics).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu)) == ({f"{NEW}-{REVISION}"}, NEW)
    assert play(bare_ubuntu, nvidia_driver_graphics=graphics, **past).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu)) == ({f"{OLD}-{REVISION}"}, OLD)


def test_nothing_of_nvidia_s_repository_stays_where_the_driver_is_the_archive_s(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu).succeeded()
    assert play(bare_ubuntu, nvidia_driver_source="distribution").succeeded()
    assert not [one for one in versions(bare_ubuntu) if one.endswith(REVISION)]
    assert "nvidia-modprobe" not in bare_ubuntu.host.check_output("apt-mark showhold").split()
    assert built(bare_ubuntu) == NEW
    assert "changed=0" in play(bare_ubuntu, nvidia_driver_source="distribution").output


def test_toolkits_come_beside_a_driver_and_do_not_mind_its_upgrade(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    assert bare_ubuntu.play(TOOLKITS).succeeded()
    assert versions(bare_ubuntu) == {f"{OLD}-{REVISION}"}
    assert play(bare_ubuntu).succeeded()
    assert versions(bare_ubuntu) == {f"{NEW}-{REVISION}"}
    assert "changed=0" in bare_ubuntu.play(TOOLKITS).output
    assert "changed=0" in play(bare_ubuntu).output


def test_the_pins_alone_and_the_setting_of_unattended_upgrades_alone_keep_the_driver(bare_ubuntu: Node) -> None:
    node = bare_ubuntu
    assert play(node).succeeded()
    node.host.check_output("apt-mark showhold | xargs apt-mark unhold")
    upgrade = "DEBIAN_FRONTEND=noninteractive apt-get dist-upgrade --yes"
    assert "Inst nvidia-modprobe " in node.host.check_output(
        f"{upgrade} --simulate -o Dir::Etc::PreferencesParts=/none"
    )
    node.host.check_output(upgrade)
    assert versions(node) == {f"{NEW}-{REVISION}"}
    all_origins = 'Unattended-Upgrade::Origins-Pattern { "origin=*"; };'
    node.host.check_output(f"{INSTALL} unattended-upgrades && echo '{all_origins}' >/etc/apt/apt.conf.d/60all-origins")
    node.host.check_output("rm /etc/apt/preferences.d/*")
    reported = node.host.run("unattended-upgrade --verbose")
    assert "Package nvidia-modprobe is blacklisted" in reported.stdout + reported.stderr
    assert versions(node) == {f"{NEW}-{REVISION}"}
    node.host.check_output("dpkg --purge unattended-upgrades; rm /etc/apt/apt.conf.d/60all-origins")


def test_what_another_driver_left_with_dkms_is_named_and_not_built(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu).succeeded()
    fetched = f"apt-get download nvidia-dkms-open={LEFT}-{REVISION} nvidia-kernel-source-open={LEFT}-{REVISION}"
    extract = "for one in *.deb; do dpkg --extract $one / && rm $one; done"
    bare_ubuntu.host.check_output(f"cd /root && {fetched} && {extract} && dkms add nvidia/{LEFT}")
    answer = play(bare_ubuntu)
    assert answer.succeeded()
    assert LEFT in answer.output
    assert built(bare_ubuntu) == NEW
    assert f"nvidia/{LEFT}, {KERNEL}" not in bare_ubuntu.host.check_output("dkms status")


def test_a_kernel_whose_headers_are_gone_is_refused_before_any_change(bare_ubuntu: Node) -> None:
    bare_ubuntu.host.check_output(f"{INSTALL} linux-image-6.8.0-79-generic")
    before = bare_ubuntu.fingerprint()
    assert play(bare_ubuntu).failed_saying("6.8.0-79-generic")
    assert bare_ubuntu.fingerprint() == before
    bare_ubuntu.host.check_output("dpkg --purge linux-image-6.8.0-79-generic linux-modules-6.8.0-79-generic")


def test_a_repository_without_the_branch_names_those_that_it_has(worker_id: str) -> None:
    with fresh_node(f"faults-ubuntu2604-{worker_id}", "ubuntu2604") as node:
        assert node.play(PREPARE).succeeded()
        before = node.fingerprint()
        assert play(node, nvidia_driver_branch="580").failed_saying("580", "595")
        assert node.fingerprint() == before
