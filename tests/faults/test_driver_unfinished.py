# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_driver makes of packages that are only half there: builds that failed, files that are gone."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Node
from tests.faults.ubuntu_nodes import INSTALL, KERNEL, NEW, OLD, REVISION, built, play, versions

pytestmark = pytest.mark.long

BROKEN = "590.48.01"
GONE = "6.8.0-79-generic"
HOOKS = "/etc/kernel/postinst.d/dkms /etc/kernel/header_postinst.d/dkms"


def unfinished(node: Node) -> str:
    return str(node.host.check_output("dpkg --audit"))


def with_a_kernel_whose_headers_are_gone(node: Node) -> None:
    """Leave the node an old kernel alone; its headers are in no repository, and no module is built for it."""
    of_kernel = f"'linux-image-[gv]*' 'linux-headers-[gv]*' 'linux-*{KERNEL}' linux-headers-6.8.0-90"
    node.host.check_output(f"{INSTALL} linux-image-{GONE}; apt-mark showhold | xargs --no-run-if-empty apt-mark unhold")
    listed = f"dpkg-query --show --showformat '${{Package}}\\n' {of_kernel} 2>/dev/null"
    built = f"/lib/modules/{KERNEL} /var/lib/dkms/nvidia/kernel-*"
    node.host.check_output(f"{listed} | xargs dpkg --purge && rm -rf {built}")


def without_that_kernel(node: Node) -> None:
    """Give the node the kernel back that it has as a rule."""
    node.host.check_output(f"{INSTALL} linux-image-virtual")
    node.host.check_output(f"dpkg --purge linux-image-{GONE} linux-modules-{GONE}; rm -rf /lib/modules/{GONE}")


def test_a_driver_that_does_not_build_is_found_before_packages_change(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    answer = play(bare_ubuntu, nvidia_driver_branch="590")
    assert answer.failed_saying("does not build", "implicit declaration of function", "driver was not changed")
    assert (versions(bare_ubuntu), built(bare_ubuntu), unfinished(bare_ubuntu)) == ({f"{OLD}-{REVISION}"}, OLD, "")


def test_nor_does_it_begin_where_the_only_kernel_to_build_for_is_a_new_one(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    with_a_kernel_whose_headers_are_gone(bare_ubuntu)
    bare_ubuntu.host.check_output(f"mkdir /root/hooks && cp --parents {HOOKS} /root/hooks && rm {HOOKS}")
    try:
        answer = play(bare_ubuntu, nvidia_driver_branch="590", nvidia_driver_kernel="upgrade")
        assert answer.failed_saying("does not build", KERNEL, "driver was not changed")
        assert (versions(bare_ubuntu), unfinished(bare_ubuntu)) == ({f"{OLD}-{REVISION}"}, "")
    finally:
        bare_ubuntu.host.check_output("cp --recursive /root/hooks/etc / && rm -r /root/hooks")
        without_that_kernel(bare_ubuntu)


def test_a_kernel_for_which_the_old_driver_does_not_build_gets_the_new_one(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu, nvidia_driver_version=OLD).succeeded()
    with_a_kernel_whose_headers_are_gone(bare_ubuntu)
    bare_ubuntu.host.check_output(f"echo '#error too new' >>/usr/src/nvidia-{OLD}/nvidia.c")
    try:
        assert play(bare_ubuntu, nvidia_driver_kernel="upgrade").succeeded()
        assert (versions(bare_ubuntu), built(bare_ubuntu), unfinished(bare_ubuntu)) == ({f"{NEW}-{REVISION}"}, NEW, "")
    finally:
        without_that_kernel(bare_ubuntu)


def test_a_driver_that_was_left_half_configured_is_replaced(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu).succeeded()
    pin = f"Package: src:*nvidia*:any\\nPin: version {BROKEN}*\\nPin-Priority: 1001\\n"
    listed = "dpkg-query --show --showformat '${Package}\\n' '*nvidia*' 2>/dev/null"
    bare_ubuntu.host.check_output(
        f"apt-mark showhold | xargs apt-mark unhold; {listed} | xargs dpkg --purge --force-all;"
        f" rm /etc/apt/preferences.d/*; printf '{pin}' >/etc/apt/preferences.d/past"
    )
    assert bare_ubuntu.host.run(f"{INSTALL} nvidia-dkms-open").rc != 0
    bare_ubuntu.host.check_output("rm /etc/apt/preferences.d/past")
    assert "nvidia-dkms-open" in unfinished(bare_ubuntu)
    assert play(bare_ubuntu).succeeded()
    assert (versions(bare_ubuntu), built(bare_ubuntu), unfinished(bare_ubuntu)) == ({f"{NEW}-{REVISION}"}, NEW, "")


def test_packages_get_the_files_back_that_the_uninstaller_of_a_runfile_takes_away(bare_ubuntu: Node) -> None:
    assert play(bare_ubuntu).succeeded()
    library, program = "/usr/lib/x86_64-linux-gnu/libcuda.so.575.64.03", "/usr/bin/nvidia-smi"
    owner = bare_ubuntu.host.check_output(f"dpkg-query --search {program}").partition(":")[0]
    script = f"#!/bin/sh\\nrm -f {library} {program} /usr/bin/nvidia-uninstall\\n"
    bare_ubuntu.host.check_output(
        f"touch {library}; printf '{script}' >/usr/bin/nvidia-uninstall; chmod 755 /usr/bin/nvidia-uninstall"
    )
    assert play(bare_ubuntu).failed_saying("NVIDIA's installer has put the driver 575.64.03 on the node")
    assert play(bare_ubuntu, nvidia_driver_remove_leftovers=True).succeeded()
    assert not bare_ubuntu.host.file(library).exists
    assert bare_ubuntu.host.check_output(f"dpkg --verify {owner}") == ""
    assert "changed=0" in play(bare_ubuntu, nvidia_driver_remove_leftovers=True).output
