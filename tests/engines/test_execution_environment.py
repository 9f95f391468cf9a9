# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of execution-environment.yml at work, run by ansible-navigator and by ansible-runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.command import STATUSES

from lab import paths
from lab.nodes import podman
from tests.engines import conftest


@pytest.fixture
def equipped(project: Path, group: str, image: str, wheels: Path) -> dict[str, str]:
    """Settings of ansible-navigator beside the project's file: where the lab's image, network and keys are."""
    inventory = project / "inventories" / "lab"
    inventory.mkdir(parents=True)
    (inventory / "hosts.yml").write_text(json.dumps(conftest.inventory(group)))
    volumes = [*conftest.offline(wheels), f"{paths.STATE}:{paths.STATE}"]
    return {
        "ANSIBLE_NAVIGATOR_CONTAINER_ENGINE": "podman",
        "ANSIBLE_NAVIGATOR_CONTAINER_OPTIONS": f"--network={podman.NETWORK}",
        "ANSIBLE_NAVIGATOR_EXECUTION_ENVIRONMENT_IMAGE": image,
        "ANSIBLE_NAVIGATOR_EXECUTION_ENVIRONMENT_VOLUME_MOUNTS": ";".join(volumes),
    }


def test_the_image_has_all_that_the_collection_needs(image: str) -> None:
    imported = "import argon2, cryptography, packaging, rattler, ruamel.yaml, uv, yaml"
    podman.run("run", "--rm", image, "python3", "-c", imported)
    shown = podman.run("run", "--rm", image, "sh", "-c", "id -u; command -v git; command -v ssh")
    assert shown.split() == ["1000", "/usr/bin/git", "/usr/bin/ssh"]


def test_navigator_converges_a_node_and_then_changes_nothing(project: Path, equipped: dict[str, str]) -> None:
    asked = ["run", "evenkeel.gpu.site", "--inventory=inventories/lab", "--tags=miniconda,condarc"]
    first = conftest.run("ansible-navigator", *asked, cwd=project, **equipped)
    assert "miniconda, condarc to do" in first
    second = conftest.run("ansible-navigator", *asked, cwd=project, **equipped)
    assert "nothing to do" in second
    assert "changed=0 " in second
    assert "Gathering Facts" not in second


def test_runner_reports_what_stands_against_a_node_and_what_differs(
    message_queues: None, tmp_path: Path, group: str, image: str, wheels: Path
) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(json.dumps(conftest.inventory(group)))
    commit = committed(tmp_path / "inventory")
    shutil.copytree(conftest.ROOT / "lab" / "environments", tmp_path / "project" / "environments")
    settings = {
        "process_isolation": True,
        "process_isolation_executable": "podman",
        "container_image": image,
        "container_options": [f"--network={podman.NETWORK}", "--user=root"],
        "container_volume_mounts": [*conftest.offline(wheels), f"{paths.STATE}:{paths.STATE}"],
    }
    (tmp_path / "env" / "settings").write_text(json.dumps(settings))
    variables = {"preflight_report": "/runner/artifacts/preflight.json", "drift_directory": "/runner/artifacts/drift"}
    (tmp_path / "env" / "extravars").write_text(json.dumps(variables))

    conftest.run("ansible-runner", "run", str(tmp_path), "--playbook=evenkeel.gpu.preflight", cwd=tmp_path)
    nodes = json.loads((tmp_path / "artifacts" / "preflight.json").read_text())["nodes"]
    assert {name: node["state"] for name, node in nodes.items()} == {"debian12-1": "ready"}

    drift = ["ansible-runner", "run", str(tmp_path), "--playbook=evenkeel.gpu.drift"]
    done = conftest.attempt(*drift, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    report = json.loads((tmp_path / "artifacts" / "drift" / "report.json").read_text())
    assert report["site"]["commit"] == commit, report["site"]["note"]
    layers = report["hosts"]["debian12-1"]["layers"]
    assert layers["environment:ai-dev"]["state"] == "drifted"

    command = "/usr/share/ansible/collections/ansible_collections/evenkeel/gpu/bin/evenkeel"
    assert command in (conftest.ROOT / "docs" / "drift.md").read_text()
    here = f"{tmp_path / 'artifacts'}:/runner/artifacts:ro"
    shown = f"{command} drift /runner/artifacts/drift/report.json; echo status $?"
    lines = podman.run("run", "--rm", "--user=root", f"--volume={here}", image, "sh", "-c", shown).splitlines()
    assert lines[-1] == f"status {STATUSES[report['status']]}"


def committed(folder: Path) -> str:
    """Make a folder a repository, and return its commit."""
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@site.example")
    for arguments in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message=First")):
        subprocess.run(["git", *arguments], check=True, cwd=folder)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], check=True, cwd=folder, capture_output=True, text=True
    ).stdout.strip()
