# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages and preferences of others that the role nvidia_driver finds on a node, and leaves as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.conftest import Node
from tests.faults.ubuntu_nodes import NEW, REVISION, play, versions

pytestmark = pytest.mark.long

VENDOR, MISSING = "vendor-agent", "libvendor"


@contextmanager
def broken_package(node: Node, install: str) -> Iterator[None]:
    """Have a package on the node that depends on what no repository has."""
    control = f"Package: {VENDOR}\\nVersion: 1\\nArchitecture: all\\nMaintainer: Vendor\\nDepends: {MISSING}\\n"
    control += "Description: what another team has installed\\n"
    build = f"mkdir -p /root/vendor/DEBIAN && printf '{control}' >/root/vendor/DEBIAN/control"
    node.host.check_output(f"{build} && dpkg-deb --build /root/vendor && dpkg {install} /root/vendor.deb")
    node.host.check_output("apt-cache policy")  # apt's own cache is as new as dpkg's state
    try:
        yield
    finally:
        node.host.check_output(f"dpkg --purge {VENDOR}; rm -r /root/vendor /root/vendor.deb")


@pytest.mark.parametrize(
    ("install", "words"),
    [("--unpack", f"finishing them would remove {VENDOR}"), ("--force-depends --install", f"{VENDOR} : Depends")],
    ids=["half-installed", "without what it depends on"],
)
def test_a_broken_package_of_others_stays_and_is_named(bare_ubuntu: Node, install: str, words: str) -> None:
    with broken_package(bare_ubuntu, install):
        before = bare_ubuntu.fingerprint()
        assert play(bare_ubuntu, "--check").failed_saying(words)
        assert play(bare_ubuntu).failed_saying(words)
        assert bare_ubuntu.fingerprint() == before


def test_a_preference_of_others_for_the_whole_repository_moves_no_driver(bare_ubuntu: Node) -> None:
    pin = "Package: *\\nPin: release l=NVIDIA CUDA\\nPin-Priority: 1001\\n"
    bare_ubuntu.host.check_output(f"printf '{pin}' >/etc/apt/preferences.d/00-of-others")
    assert play(bare_ubuntu).succeeded()
    assert versions(bare_ubuntu) == {f"{NEW}-{REVISION}"}
    upgrade = "apt-get --simulate --ignore-hold --allow-change-held-packages dist-upgrade"
    assert "nvidia" not in bare_ubuntu.host.check_output(upgrade)
