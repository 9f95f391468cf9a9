# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's archive, installed on control nodes beside ansible-core.

``EVENKEEL_CORES`` names the releases of ansible-core, by default the oldest that is supported, on this machine. Newer
ones need a newer Python, and a Debian 13 node of the lab has it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.nodes import nodes
from tests.artifact import control_node
from tests.artifact.control_node import ControlNode
from tests.artifact.wheels import ROOT

OLDEST = "2.19"
CORES = os.environ.get("EVENKEEL_CORES", OLDEST).split()


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, as it is released."""
    folder = tmp_path_factory.mktemp("built")
    galaxy = [str(Path(sys.executable).with_name("ansible-galaxy")), "collection", "build"]
    subprocess.run([*galaxy, "--output-path", str(folder), str(ROOT)], check=True, capture_output=True)
    (archive,) = folder.glob("evenkeel-gpu-*.tar.gz")
    return archive


@pytest.fixture(scope="session", params=CORES)
def node(
    request: pytest.FixtureRequest, artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlNode]:
    """A control node with the collection installed."""
    if request.param == OLDEST:
        yield with_collection(control_node.local(OLDEST, tmp_path_factory.mktemp("control") / "node"), artifact)
        return
    group = f"artifact-{request.param.replace('.', '-')}-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    lab = [sys.executable, "-m", "lab"]
    subprocess.run([*lab, "up", group, "--release", "debian13", "--fresh"], check=True, cwd=ROOT)
    try:
        container = nodes.container_name(group, "debian13-1")
        yield with_collection(control_node.on_a_node(request.param, container, "3.13"), artifact)
    finally:
        subprocess.run([*lab, "down", group], check=True, cwd=ROOT)


def with_collection(node: ControlNode, artifact: Path) -> ControlNode:
    """Install the collection there."""
    archive = node.put(artifact, artifact.name)
    node.succeeds("ansible-galaxy", "collection", "install", "--offline", archive, "-p", "collections")
    return node
