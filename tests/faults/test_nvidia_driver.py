# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role nvidia_driver does with repositories, locks and compilers that are not as they should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.conftest import Answer, Node
from tests.faults.locks import dpkg_locked

PLAYBOOK = "molecule/nvidia_driver/converge.yml"
OLD, NEW, BROKEN = "580.159.03", "580.178.04", "590.48.01"
DRIVER = "'*nvidia*' 'libcuda*' 'libnv*' 'cuda-*'"
FILES = (
    *("/etc/apt/sources.list.d/evenkeel-nvidia-cuda.sources", "/etc/apt/keyrings/evenkeel-nvidia-cuda.gpg"),
    *("/etc/apt/preferences.d/evenkeel-nvidia-driver", "/etc/apt/apt.conf.d/52evenkeel-nvidia-driver"),
    *("/etc/modprobe.d/evenkeel-nvidia-driver.conf", "/var/lib/dkms/nvidia", "/usr/src/nvidia-*"),
    *("/usr/bin/nvidia-uninstall", "/usr/lib/x86_64-linux-gnu/libcuda.so.*", "/lib/modules/*/updates/dkms/nvidia.ko*"),
)


def strip(node: Node) -> None:
    listed = f"dpkg-query --show --showformat '${{Package}}\\n' {DRIVER} 2>/dev/null"
    node.host.check_output(f"{listed} | xargs --no-run-if-empty dpkg --purge --force-all")
    node.host.check_output(f"rm -rf {' '.join(FILES)}")


@pytest.fixture(scope="module")
def with_kernel(node: Node) -> Iterator[Node]:
    """A node with Debian's packages, the headers of its kernel, and what passes for the kernel itself."""
    source = f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {node.variables['lab_mirror_url']}/debian"
    node.host.check_output(f"echo '{source} bookworm main' >/etc/apt/sources.list.d/debian.list && apt-get update")
    install = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
    node.host.check_output(f"{install} linux-headers-amd64 dkms")
    node.host.check_output("for folder in /lib/modules/*; do touch /boot/vmlinuz-${folder##*/}; done")
    yield node
    node.host.check_output("rm -f /boot/vmlinuz-* /etc/apt/sources.list.d/debian.list")


@pytest.fixture
def bare(with_kernel: Node) -> Iterator[Node]:
    """The same, without a driver."""
    strip(with_kernel)
    yield with_kernel
    strip(with_kernel)


def play(node: Node, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, **variables)


def kernel(node: Node) -> str:
    return str(node.host.check_output("ls /lib/modules"))


def module(node: Node) -> str:
    return str(node.host.check_output(f"modinfo -k {kernel(node)} -F version nvidia"))


def repository(node: Node, kind: str) -> str:
    return f"{node.variables['lab_mirror_url']}/nvidia/{kind}/compute/cuda/repos"


def flavour(node: Node) -> str:
    licence = node.host.check_output(f"modinfo -k {kernel(node)} -F license nvidia")
    return "proprietary" if licence == "NVIDIA" else "open"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"nvidia_driver_version": "580.1.1"}, ("no version 580.1.1 of nvidia-driver-cuda; they have 620.40.01",)),
        ({"nvidia_driver_branch": "581"}, ("No version is known for the driver's branch 581",)),
        ({"nvidia_driver_source": "local"}, ("nvidia_driver_repository_url is not set",)),
        ({"nvidia_driver_repository_key_sha256": "0" * 64}, ("cuda-keyring_1.1-1_all.deb has the SHA-256", "0" * 64)),
        ({"nvidia_driver_flavour": "closed"}, ("nvidia_driver_flavour", "closed")),
    ],
)
def test_what_cannot_work_changes_nothing(bare: Node, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    assert play(bare, **variables).failed_saying(*words)
    assert bare.fingerprint() == before


@pytest.mark.parametrize(
    ("kind", "words"),
    [("expired", "has expired"), ("rekeyed", "is not the one that is known"), ("syncing", "is incomplete")],
)
def test_a_repository_that_cannot_be_trusted_changes_nothing(bare: Node, kind: str, words: str) -> None:
    sums = bare.variables["lab_nvidia_expired_keyring_sha256" if kind == "expired" else "lab_nvidia_keyring_sha256"]
    before = bare.fingerprint()
    answer = play(
        bare,
        nvidia_driver_repository_base=repository(bare, kind),
        nvidia_driver_repository_key_sha256=sums["debian12"],
    )
    assert answer.failed_saying(words)
    assert bare.fingerprint() == before


@pytest.mark.long
def test_a_repository_that_is_whole_again_in_a_moment_is_asked_again(bare: Node) -> None:
    base = bare.faulty("sync~Packages*/1/driver", bare.variables["lab_nvidia_repository"])
    assert play(bare, nvidia_driver_repository_base=base).succeeded()
    assert module(bare) == NEW


def test_a_held_lock_is_waited_for_and_its_holder_named(bare: Node) -> None:
    with dpkg_locked(bare):
        assert play(bare, nvidia_driver_lock_timeout=1).failed_saying("locked for 1 seconds by", "python3", "pid")


@pytest.mark.long
def test_a_first_build_that_fails_leaves_no_package_behind(bare: Node) -> None:
    assert play(bare, nvidia_driver_branch="590").failed_saying(
        f"The module of the driver {BROKEN} does not build for the kernel {kernel(bare)}",
        "error: implicit declaration of function",
        "were removed again",
        "Choose another branch",
    )
    assert bare.host.check_output("dpkg --audit") == ""
    assert bare.host.run("dpkg --status nvidia-kernel-open-dkms").rc != 0
    assert play(bare).succeeded()
    assert module(bare) == NEW


@pytest.mark.long
def test_an_upgrade_whose_build_fails_never_begins(bare: Node) -> None:
    assert play(bare, nvidia_driver_version=OLD).succeeded()
    answer = play(bare, nvidia_driver_branch="590")
    assert answer.failed_saying("does not build", "error: implicit declaration of function", "driver was not changed")
    assert module(bare) == OLD
    assert bare.host.package("nvidia-kernel-open-dkms").version.startswith(OLD)
    assert bare.host.check_output("dpkg --audit") == ""


@pytest.mark.long
def test_a_run_killed_among_its_packages_is_finished_by_the_next(bare: Node) -> None:
    process = bare.start(PLAYBOOK)
    bare.host.check_output("until pgrep --full '[d]kms (build|add|install)' >/dev/null; do sleep 0.02; done")
    bare.host.run("pkill -KILL python3; pkill -KILL apt-get; pkill -KILL dpkg; pkill -KILL --full '[d]kms'")
    process.communicate()
    assert process.returncode != 0
    assert bare.host.check_output("dpkg --audit") != ""
    answer = play(bare)
    assert answer.succeeded()
    assert bare.host.check_output("dpkg --audit") == ""
    assert module(bare) == NEW


@pytest.mark.long
@pytest.mark.parametrize("source", ["nvidia", "runfile"])
def test_another_flavour_of_the_same_version_is_installed(bare: Node, source: str) -> None:
    installer = {
        "nvidia_driver_runfile_url": bare.variables["lab_nvidia_runfiles"]
        + "/{version}/NVIDIA-Linux-{architecture}-{version}.run",
        "nvidia_driver_runfile_sha256": bare.variables["lab_nvidia_runfile_sha256"][NEW],
    }
    wanted = {"nvidia_driver_source": source, **(installer if source == "runfile" else {})}
    assert play(bare, **wanted).succeeded()
    assert (module(bare), flavour(bare)) == (NEW, "open")
    assert play(bare, **wanted, nvidia_driver_flavour="proprietary").succeeded()
    assert (module(bare), flavour(bare)) == (NEW, "proprietary")
    assert "changed=0" in play(bare, **wanted, nvidia_driver_flavour="proprietary").output
