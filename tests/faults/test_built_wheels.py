# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels that are built for a lock on the control node: nodes get the files, and build nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.faults.conftest import Node
from tests.unit.plugins.plugin_utils._wheels.projects import pack, project

NAME = "built"
#: Where the node keeps what it was brought.
KEPT = "/opt/evenkeel/pkgs/wheels"


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    """Return a folder with an environment that asks for a package of which there is only the source."""
    archive = tmp_path / "tool-1.0.tar.gz"
    sha256 = pack(archive, "tool-1.0", project())
    page = tmp_path / "simple" / "tool" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        f'<!DOCTYPE html><html><body><a href="{archive.as_uri()}#sha256={sha256}">{archive.name}</a></body></html>'
    )
    file = tmp_path / "environments" / NAME / "environment.yml"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"channels": ["defaults"], "dependencies": ["python=3.11", {"pip": ["tool"]}]}))
    return tmp_path / "environments"


def test_a_wheel_is_built_once_and_nodes_get_the_file(prepared: Node, environments: Path) -> None:
    given = {"conda_environments_directory": str(environments), "conda_environments_list": [{"name": NAME}]}
    asked = {
        **given,
        "lock_env": NAME,
        "lock_targets": ["debian-12"],
        "lock_pip_index": (environments.parent / "simple").as_uri(),
    }
    refused = prepared.play("playbooks/lock.yml", **asked)
    assert refused.failed_saying("only the source of tool 1.0", "lock_build: [tool]")
    assert prepared.play("playbooks/lock.yml", **asked, lock_build=["tool"]).succeeded()
    (wheel,) = (environments / NAME / "wheels").glob("*/*.whl")
    lock = environments / NAME / "conda-lock.yml"
    urls = [package["url"] for package in yaml.safe_load(lock.read_text())["package"] if package["name"] == "tool"]
    assert urls == [str(wheel.relative_to(environments / NAME))]

    aside = environments.parent / "aside"
    shutil.move(environments / NAME / "wheels", aside)
    before = prepared.fingerprint()
    missing = prepared.play(tags="conda_environments", **given)
    assert missing.failed_saying("Wheels that a lock names are not on the control node", str(wheel))
    assert prepared.fingerprint() == before
    shutil.move(aside, environments / NAME / "wheels")

    rehearsed = prepared.play("site.yml", "--check", tags="conda_environments", **given)
    assert rehearsed.succeeded()
    assert not prepared.host.file(KEPT).exists
    assert prepared.play(tags="conda_environments", **given).succeeded()
    shown = "import tool; print(tool.VERSION)"
    assert prepared.host.check_output(f"/opt/evenkeel/envs/{NAME}/bin/python -c '{shown}'") == "1.0"
    assert prepared.host.check_output(f"find {KEPT} -type f -printf %f") == wheel.name
    again = prepared.play(tags="conda_environments", **given)
    assert again.succeeded()
    assert "changed=0" in again.output
