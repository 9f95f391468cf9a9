# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_driver refuses on an Ubuntu node that has a driver leaves every file of the node as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.conftest import Node
from tests.faults.locks import dpkg_locked
from tests.faults.ubuntu_nodes import INSTALL, KERNEL, NEW, OLD, REVISION, built, play, versions

pytestmark = pytest.mark.long

SILENT = "http://127.0.0.1:9"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
#: A package of somebody's that works with the driver's older version alone.
NEIGHBOUR = f"""\
Package: neighbour
Version: 1
Architecture: all
Maintainer: nobody
Depends: libnvidia-compute-580 (= {OLD}-{REVISION})
Description: none
"""


@pytest.fixture(scope="module")
def driven(ubuntu: Node) -> Node:
    """A node with a driver, held and pinned."""
    assert play(ubuntu, nvidia_driver_version=OLD).succeeded()
    return ubuntu


@contextmanager
def untouched(node: Node) -> Iterator[None]:
    """Require that nothing of the node changes."""
    before = node.fingerprint()
    yield
    assert node.fingerprint() == before
    assert (versions(node), built(node)) == ({f"{OLD}-{REVISION}"}, OLD)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"nvidia_driver_version": "580.1.1"}, ("no version 580.1.1 of", NEW)),
        ({"nvidia_driver_repository_base": SILENT}, (SILENT,)),
        ({"nvidia_driver_repository_key_sha256": "0" * 64}, ("cuda-keyring_1.1-1_all.deb has the SHA-256", "0" * 64)),
        ({"nvidia_driver_source": "distribution", "nvidia_driver_branch": "610"}, ("610",)),
    ],
    ids=["version", "dead repository", "wrong key", "branch of the archive"],
)
def test_what_the_repository_does_not_have_changes_nothing(
    driven: Node, variables: dict[str, Any], words: tuple[str, ...]
) -> None:
    with untouched(driven):
        assert play(driven, **variables).failed_saying(*words)


def test_a_package_of_somebody_that_would_go_stays(driven: Node) -> None:
    driven.host.check_output(
        "mkdir -p /root/neighbour/DEBIAN && printf %%s %s >/root/neighbour/DEBIAN/control", NEIGHBOUR
    )
    driven.host.check_output("dpkg-deb --build /root/neighbour && dpkg --install /root/neighbour.deb")
    with untouched(driven):
        assert play(driven).failed_saying("would remove others", "neighbour 1")
    driven.host.check_output("dpkg --purge neighbour; rm -r /root/neighbour*")


def test_a_driver_of_an_installer_beside_packages_is_refused(driven: Node) -> None:
    libraries = [f"{LIBRARIES}/{name}.so.570.211.01" for name in ("libcuda", "libnvidia-ml")]
    driven.host.check_output(f"touch {' '.join(libraries)} && install /bin/true /usr/bin/nvidia-uninstall")
    with untouched(driven):
        assert play(driven).failed_saying("570.211.01", "nvidia-uninstall")
    driven.host.check_output(f"rm {' '.join(libraries)} /usr/bin/nvidia-uninstall")


def test_a_kernel_whose_headers_are_gone_is_refused(driven: Node) -> None:
    other = "6.8.0-79-generic"
    driven.host.check_output(f"{INSTALL} linux-image-{other}")
    with untouched(driven):
        assert play(driven).failed_saying(other)
    driven.host.check_output(f"dpkg --purge linux-image-{other} linux-modules-{other}")


def test_a_locked_dpkg_is_waited_for_in_vain(driven: Node) -> None:
    with dpkg_locked(driven), untouched(driven):
        assert play(driven, nvidia_driver_lock_timeout=1).failed_saying("locked for 1 seconds by", "python3")


def test_an_interrupted_dpkg_is_not_finished_for_what_cannot_be(driven: Node) -> None:
    """The rehearsal finds the version missing before the run would finish what dpkg has begun."""
    driven.host.check_output("cd /root && apt-get download dkms && dpkg --unpack dkms_*.deb && rm dkms_*.deb")
    with untouched(driven):
        assert play(driven, nvidia_driver_version="580.1.1").failed_saying("no version 580.1.1 of")
    assert play(driven, nvidia_driver_version=OLD).succeeded()
    assert driven.host.check_output("dpkg --audit") == ""
    assert driven.host.check_output(f"dkms status -k {KERNEL}").endswith("installed")
