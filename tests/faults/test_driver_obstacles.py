# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade of the driver that the node stands in the way of is refused before any change, with what to do."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Node
from tests.faults.ubuntu_nodes import KERNEL, OLD, REVISION, built, play, versions

pytestmark = pytest.mark.long


def _refused_as_it_was(node: Node, *words: str, check_mode: bool = True) -> None:
    """Require that an upgrade is refused, in check mode too, and leaves packages, holds and module as they were."""
    state = "dpkg-query --show; apt-mark showhold; ls -R /lib/modules/*/updates /var/lib/dkms/nvidia"
    before = node.host.check_output(state)
    for options in (["--check"], []) if check_mode else ([],):
        assert play(node, *options).failed_saying(*words)
    assert node.host.check_output(state) == before
    assert (versions(node), built(node)) == ({f"{OLD}-{REVISION}"}, OLD)


def test_kernels_whose_modules_cannot_be_written_are_refused_before_any_change(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    place = "/usr/lib/modules"
    bare_ubuntu.host.check_output(f"mount -o bind {place} {place} && mount -o remount,ro,bind {place}")
    try:
        _refused_as_it_was(bare_ubuntu, f"/lib/modules/{KERNEL}", f"{place} is mounted read-only")
    finally:
        bare_ubuntu.host.check_output(f"umount {place}")


def test_a_driver_whose_source_has_no_room_is_refused_before_any_change(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    fill = "cp -a /usr/src /root/src && mount -t tmpfs -o size=200k tmpfs /usr/src && cp -a /root/src/. /usr/src"
    bare_ubuntu.host.check_output(f"{fill} && ! cat /dev/zero >/usr/src/full 2>/dev/null")
    try:
        _refused_as_it_was(bare_ubuntu, "MiB in /usr/src, and 0 MiB are free", check_mode=False)
    finally:
        bare_ubuntu.host.check_output("umount /usr/src && rm -r /root/src")


def test_headers_that_are_broken_are_named_before_any_change(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    makefile = f"/usr/src/linux-headers-{KERNEL}/Makefile"
    bare_ubuntu.host.check_output(f"sed -i '1i $(error broken headers)' {makefile}")
    try:
        _refused_as_it_was(bare_ubuntu, "Makefile:1: *** broken headers. Stop.", check_mode=False)
    finally:
        bare_ubuntu.host.check_output(f"sed -i 1d {makefile}")


@pytest.mark.parametrize("mode", ["keep", "upgrade"])
def test_a_kernel_of_ones_own_is_refused_with_the_ways_out(bare_ubuntu: Node, mode: str) -> None:
    own = "6.9.0-custom"
    files = f"/boot/vmlinuz-{own} /lib/modules/{own}"
    bare_ubuntu.host.check_output(f"mkdir /lib/modules/{own} && touch /boot/vmlinuz-{own}")
    try:
        before = bare_ubuntu.fingerprint()
        answer = play(bare_ubuntu, nvidia_driver_kernel=mode)
        assert answer.failed_saying(f"{own} is of no package", f"/lib/modules/{own}/build points")
        assert bare_ubuntu.fingerprint() == before
    finally:
        bare_ubuntu.host.check_output(f"rm -r {files}")


def test_folders_of_killed_runs_go_with_the_next_change_and_not_in_check_mode(bare_ubuntu: Node) -> None:
    left = "/tmp/evenkeel-repository-killed /var/tmp/evenkeel-driver-killed /var/tmp/evenkeel-dkms-killed"  # noqa: S108
    bare_ubuntu.host.check_output(f"mkdir {left} && touch /var/tmp/evenkeel-dkms-killed/make.log")
    assert play(bare_ubuntu, "--check").succeeded()
    assert bare_ubuntu.host.run(f"ls -d {left}").succeeded
    assert play(bare_ubuntu).succeeded()
    assert bare_ubuntu.host.check_output("ls -d /tmp/evenkeel-* /var/tmp/evenkeel-* 2>/dev/null || true") == ""
