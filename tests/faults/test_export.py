# SPDX-License-Identifier: GPL-3.0-or-later
"""From an environment file of any name to a build without a lock, and from somebody's clone of it to files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.faults.conftest import Node

ENVIRONMENT = "channels: [defaults]\ndependencies: [python=3.11, six, pip: [humanize]]\n"
MINE = "/home/ops/mine"


@pytest.mark.long
def test_a_clone_is_written_with_what_nothing_else_needs(prepared: Node, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "gpu.yaml").write_text(ENVIRONMENT)
    declared = {
        "conda_environments_directory": str(tmp_path),
        "conda_environments_list": [{"name": "other"}],
    }
    before = prepared.fingerprint()
    refused = prepared.play(tags="conda_environments", conda_environments_require_lock=True, **declared)
    assert refused.failed_saying("other: it has no lock, and one is required", "Lock an environment.yml with playbook")
    assert prepared.fingerprint() == before
    built = prepared.play(tags="conda_environments", **declared)
    assert built.succeeded()
    assert built.output.count("No lock fixes the packages of other") == 1
    prepared.host.check_output(f"sudo -u ops /opt/miniconda3/bin/conda create -yq -p {MINE} --clone other")
    exported = prepared.play(
        "playbooks/export.yml",
        export_prefix=MINE,
        export_env="mine",
        conda_environments_directory=str(tmp_path),
        evenkeel_mirror=["http://127.0.0.1:9/anaconda", prepared.mirror],
    )
    assert exported.succeeded()
    written = yaml.safe_load((tmp_path / "mine" / "environment.yml").read_text())
    assert written["channels"] == ["defaults"]
    *of_conda, of_pip = written["dependencies"]
    assert [spec.partition("=")[0] for spec in of_conda] == ["pip", "python", "six"]
    assert [spec.partition("=")[0] for spec in of_pip["pip"]] == ["humanize"]
    assert "repo.anaconda.com/pkgs/main" in (tmp_path / "mine" / "conda-lock.yml").read_text()
    again = prepared.play(
        tags="conda_environments",
        conda_environments_directory=str(tmp_path),
        conda_environments_list=[{"name": "mine"}],
        conda_environments_require_lock=True,
    )
    assert again.succeeded()
