# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify on a node that is made to show a GPU, with a library that stands in for the driver's."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import ROOT, Node

PLAYBOOK = "playbooks/verify.yml"
SOURCE = ROOT / "tests" / "unit" / "plugins" / "fake_gpu.c"
DEVICES = "/sys/bus/pci/devices"
SHOWN = "/run/evenkeel-devices"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
NAMES = ("libcuda.so.1", "libnvidia-ml.so.1")


@pytest.fixture
def with_gpu(node: Node, tmp_path: Path) -> Iterator[Node]:
    """A node on whose PCI bus there is a GPU."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler to build the stand-in of the driver's library with")
    library = tmp_path / "library"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    gpu = f"{SHOWN}/0000:01:00.0"
    node.host.check_output(f"mkdir -p {gpu} && echo 0x10de >{gpu}/vendor && echo 0x1eb8 >{gpu}/device")
    node.host.check_output(f"echo 0x030200 >{gpu}/class && mount --bind {SHOWN} {DEVICES}")
    write = "import sys; open(sys.argv[1], 'wb').write(bytes.fromhex(sys.argv[2]))"
    for name in NAMES:
        node.host.check_output("python3 -c %s %s %s", write, f"{LIBRARIES}/{name}", library.read_bytes().hex())
    yield node
    node.host.check_output(f"umount {DEVICES}; rm -rf {SHOWN} {' '.join(f'{LIBRARIES}/{name}' for name in NAMES)}")


def test_a_node_without_a_gpu_is_well_and_nothing_is_changed(node: Node) -> None:
    before = node.fingerprint()
    answer = node.play(PLAYBOOK)
    assert answer.succeeded()
    assert "debian12-1: no GPU" in answer.output
    assert "changed=0" in answer.output
    assert node.fingerprint() == before


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"verify_min_gpus": 1}, "The node has 0 GPUs, and min_gpus is 1."),
        ({"verify_environments": "none,other"}, "There is no Python in /opt/evenkeel/envs/other."),
    ],
)
def test_what_is_asked_for_and_not_there_fails(node: Node, variables: dict[str, object], words: str) -> None:
    assert node.play(PLAYBOOK, **variables).failed_saying(words, "FAILED")


def test_a_gpu_is_used_and_reported(with_gpu: Node, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    answer = with_gpu.play(PLAYBOOK, verify_min_gpus=1, verify_report=str(report))
    assert answer.succeeded()
    assert "debian12-1: 1 GPU works, CUDA 13.0" in answer.output
    found = json.loads(report.read_text())["debian12-1"]
    assert (found["ok"], found["gpus"][0]["address"], found["gpus"][0]["ok"]) == (True, "0000:01:00.0", True)


def test_a_gpu_that_is_slower_than_asked_for_fails(with_gpu: Node) -> None:
    answer = with_gpu.play(PLAYBOOK, verify_min_bandwidth_gbps=1e6)
    assert answer.failed_saying("GPU 0000:01:00.0: the copy to it reaches", "less than 1000000.0")
