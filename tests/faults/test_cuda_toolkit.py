# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role cuda_toolkit does with drivers that are too old, with what is in its way, and with killed runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import cuda_choice

from tests.faults import test_nvidia_driver
from tests.faults.conftest import Answer, Node, ansible, finish

PLAYBOOK = "molecule/cuda_toolkit/converge.yml"
PACKAGES = "'cuda*' 'libcudnn*' 'libnccl*' dkms"
FILES = (
    *("/usr/local/cuda*", "/etc/profile.d/evenkeel-cuda.sh", "/etc/fish/conf.d/evenkeel-cuda.fish"),
    *("/etc/ld.so.conf.d/evenkeel-cuda.conf", "/etc/apt/sources.list.d/evenkeel-nvidia-cuda.sources"),
    "/etc/apt/keyrings/evenkeel-nvidia-cuda.gpg",
)
#: What the scenario's playbook asks for, without the libraries.
ONE = {"cuda_toolkit_versions": ["13.0"], "cuda_toolkit_default": "", "cuda_toolkit_cudnn": "", "cuda_toolkit_nccl": ""}


def strip(node: Node) -> None:
    # Drivers and their pins, which other tests have left.
    test_nvidia_driver.strip(node)
    listed = f"dpkg-query --show --showformat '${{Package}}\\n' {PACKAGES} 2>/dev/null"
    node.host.check_output(f"{listed} | xargs --no-run-if-empty dpkg --purge --force-all")
    node.host.check_output(f"rm -rf {' '.join(FILES)}")


@pytest.fixture
def bare(node: Node) -> Iterator[Node]:
    """A node without anything of CUDA's."""
    strip(node)
    yield node
    strip(node)


def play(node: Node, **variables: Any) -> Answer:
    return node.play(PLAYBOOK, **{**ONE, **variables})


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"cuda_toolkit_driver_version": "570.211.01"}, ("CUDA 13.0 needs a driver of branch 580", "cuda-compat-13-0")),
        ({"cuda_toolkit_versions": ["13.0.9"]}, ("no version 13.0.9 of cuda-toolkit-13-0; they have 13.0.2",)),
        ({"cuda_toolkit_cudnn": "9.1.0.70"}, ("no version 9.1.0.70 of libcudnn9-cuda-13; they have 9.13.0.50",)),
        ({"cuda_toolkit_repository_key_sha256": "0" * 64}, ("cuda-keyring_1.1-1_all.deb has the SHA-256",)),
    ],
)
def test_what_cannot_work_changes_nothing(bare: Node, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = bare.fingerprint()
    assert play(bare, **variables).failed_saying(*words)
    assert bare.fingerprint() == before


def test_a_driver_in_between_is_warned_of(bare: Node) -> None:
    answer = play(bare, cuda_toolkit_driver_version="580.65.06")
    assert answer.succeeded()
    assert "CUDA 13.0 was made for the driver 580.95.05, and the node has or gets 580.65.06" in answer.output


def test_a_package_that_pulls_a_driver_is_refused_and_the_driver_is_named(bare: Node) -> None:
    assert play(bare).succeeded()
    # What a driver's packages build their module with; NVIDIA's repository does not have it.
    control = "Package: dkms\\nVersion: 3\\nArchitecture: all\\nMaintainer: nobody\\nDescription: none\\n"
    bare.host.check_output(
        f"mkdir -p /tmp/dkms/DEBIAN && printf '{control}' >/tmp/dkms/DEBIAN/control && dpkg-deb --build /tmp/dkms"
        " && dpkg --install /tmp/dkms.deb"
    )
    before = bare.fingerprint()
    options = {"packages": [{"name": "cuda"}], "refuse": read_mapping(cuda_choice.DATA)["driver"]}
    answer = finish(
        ansible(
            "adhoc",
            "gpu_nodes",
            "--become",
            "--module-name=evenkeel.gpu.cuda_toolkit",
            f"--args={json.dumps(options)}",
            EVENKEEL_LAB_GROUP=bare.group,
        )
    )
    assert answer.failed_saying("would change what it must not", "cuda-drivers 620.40.01-1", "Nothing was changed")
    assert bare.fingerprint() == before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("/usr/local/cuda-13.0/bin/nvcc", "/usr/local/cuda-13.0 exists, and does not belong to a package"),
        ("/usr/local/cuda/bin/nvcc", "/usr/local/cuda is not a symbolic link"),
    ],
)
def test_what_somebody_has_put_there_is_not_installed_over(bare: Node, place: str, words: str) -> None:
    bare.host.check_output("install -D /bin/true %s", place)
    before = bare.fingerprint()
    assert play(bare).failed_saying(words)
    assert bare.fingerprint() == before


def test_toolkits_that_are_no_longer_listed_go_on_request_and_those_of_an_installer_stay(bare: Node) -> None:
    bare.host.check_output("install -D /bin/true /usr/local/cuda-11.8/bin/nvcc")
    assert play(bare, cuda_toolkit_versions=["12.8", "13.0"], cuda_toolkit_default="12.8").succeeded()
    assert play(bare).succeeded()
    assert bare.host.file("/usr/local/cuda").linked_to == "/usr/local/cuda-13.0"
    assert bare.host.file("/usr/local/cuda-12.8/bin/nvcc").exists
    answer = play(bare, cuda_toolkit_exclusive=True)
    assert answer.succeeded()
    assert "/usr/local/cuda-11.8 is not in toolkits (cuda_toolkit_versions of the role), and stays" in answer.output
    assert not bare.host.file("/usr/local/cuda-12.8").exists
    assert bare.host.file("/usr/local/cuda-11.8/bin/nvcc").exists
    assert play(bare, cuda_toolkit_versions=[], cuda_toolkit_exclusive=True).succeeded()
    assert not bare.host.file("/usr/local/cuda").exists
    assert not bare.host.file("/etc/profile.d/evenkeel-cuda.sh").exists
    assert bare.host.file("/usr/local/cuda-11.8/bin/nvcc").exists


def test_a_run_that_was_killed_while_it_unpacked_is_healed_by_the_next(bare: Node) -> None:
    assert play(bare, cuda_toolkit_versions=["12.8"]).succeeded()
    # As a kill leaves it: unpacked, not configured, and without what it depends on.
    names = "cuda-toolkit-13-0 cuda-nvcc-13-0"
    bare.host.check_output(f"cd /tmp && apt-get download {names} && dpkg --unpack cuda-*13-0_*.deb && rm cuda-*.deb")
    answer = play(bare, cuda_toolkit_versions=["12.8", "13.0"])
    assert answer.succeeded()
    assert bare.host.check_output("dpkg --audit") == ""
    assert bare.host.file("/usr/local/cuda").linked_to == "/usr/local/cuda-13.0"


def test_what_a_killed_run_did_not_tell_the_loader_the_next_one_does(bare: Node) -> None:
    assert play(bare).succeeded()
    bare.host.check_output("touch --date '1 hour ago' /etc/ld.so.cache")
    assert "changed=1" in play(bare).output
    assert "changed=0" in play(bare).output
