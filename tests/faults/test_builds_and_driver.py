# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments are built while the driver is installed, and a reboot for the driver waits for them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from tests.faults.conftest import Node, fresh_node

pytestmark = pytest.mark.long

DRIVER = "nvidia-driver-cuda"
LOCKS = "/opt/evenkeel/locks"
LINK = "/opt/evenkeel/envs/small"


@pytest.fixture(scope="module")
def bare(worker_id: str) -> Iterator[Node]:
    with fresh_node(f"faults-builds-{worker_id}") as node:
        source = f"deb {node.variables['lab_mirror_url']}/debian bookworm main"
        node.host.check_output(f"echo '{source}' >/etc/apt/sources.list && apt-get update --quiet=2")
        node.host.check_output(f"mkdir /opt/evenkeel && mkdir --mode=700 {LOCKS}")
        yield node


@contextmanager
def building(node: Node, environment: str) -> Iterator[None]:
    """Hold an environment's lock, as its build does."""
    node.host.check_output(f"systemd-run --quiet --unit=build flock {LOCKS}/environment-{environment} sleep infinity")
    try:
        yield
    finally:
        node.host.check_output("systemctl stop build")


def test_the_driver_is_installed_while_an_environment_waits(bare: Node, tmp_path: Path) -> None:
    explicit = tmp_path / "small.txt"
    urls = [f"{package['url']}#{package['md5']}" for package in bare.resolved("python=3.11")]
    explicit.write_text("\n".join(["@EXPLICIT", *urls]))
    declared: dict[str, Any] = {
        "evenkeel_nvidia_repository": bare.variables["lab_nvidia_repository"],
        "nvidia_driver_repository_key_sha256": bare.variables["lab_nvidia_keyring_sha256"]["debian12"],
        "nvidia_driver_without_gpu": True,
        "conda_environments_list": [{"name": "small", "explicit": str(explicit)}],
    }
    with building(bare, "small"):
        run = bare.start(tags="nvidia_driver,miniconda,conda_environments", **declared)
        wait.until(lambda: is_installed(bare, run), "the driver to be installed", "see the run's output", seconds=600)
        assert bare.host.run("pgrep --full [a]sync_wrapper").rc == 0
        assert not bare.host.file(LINK).exists
    output, _ = run.communicate(timeout=600)
    assert run.returncode == 0, output
    assert output.index("Begin to build environments") < output.index("Converge nvidia_driver")
    assert bare.host.file(f"{LINK}/bin/python").exists


def is_installed(node: Node, run: subprocess.Popen[str]) -> bool:
    assert run.poll() is None, run.communicate()[0]
    return bool(node.host.package(DRIVER).is_installed)


def test_a_reboot_waits_for_every_build(bare: Node, tmp_path: Path) -> None:
    role = {"name": "evenkeel.gpu.nvidia_driver", "tasks_from": "wait_for_builds"}
    play = {"hosts": "gpu_nodes", "become": True, "tasks": [{"ansible.builtin.import_role": role}]}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([play]))
    bare.host.check_output(f"touch {LOCKS}/environment-a {LOCKS}/environment-z")
    with building(bare, "z"):
        late = bare.play(str(playbook), nvidia_driver_reboot_timeout=1)
        assert late.failed_saying("is not rebooted: an environment is being built on it", LOCKS)
    assert bare.play(str(playbook), nvidia_driver_reboot_timeout=1).succeeded()
