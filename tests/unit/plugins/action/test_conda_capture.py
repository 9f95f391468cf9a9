# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.action import conda_capture as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

FORGE = "https://conda.anaconda.org/conda-forge"
TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda/cloud/conda-forge"
WHEELS = "https://wheels.example/whl/cu121"
PYTHON = {
    "name": "python",
    "version": "3.11.2",
    "build": "0",
    "sha256": "1a" * 32,
    "url": f"{TUNA}/linux-64/python-3.11.2-0.conda",
}
TORCH = {"name": "torch", "version": "2.4.0+cu121", "build": "", "sha256": "", "manager": "pip"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    """Return the list of what is asked of pip's indexes; only the one at WHEELS has something."""
    problems: list[Problem] = []

    def with_pip(problem: Problem, of_conda: list[Package]) -> list[Package]:
        problems.append(problem)
        if WHEELS not in problem.indexes:
            raise EvenkeelError("There is no torch==2.4.0+cu121", "Change the environment")
        return of_conda

    monkeypatch.setattr(action, "with_pip", with_pip)
    return problems


def capture(path: Path, **options: Any) -> dict[str, Any]:
    found = {"prefix": "/srv/nlp", "packages": [PYTHON, TORCH], "requested": [], "copied": [], "variables": {}}
    plugin = action.ActionModule(
        task=SimpleNamespace(
            args={"found": found, "platform": "linux-64", "virtual_packages": {}, "path": str(path), **options},
            async_val=0,
            check_mode=False,
            diff=False,
        ),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=DataLoader(),
        templar=None,
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars={"inventory_hostname": "node1"})
    return result


def test_what_came_from_another_mirror_and_index_is_written(tmp_path: Path, asked: list[Problem]) -> None:
    path = tmp_path / "nlp" / "environment.yml"
    assert capture(path, pip_indexes=[WHEELS])["changed"]
    written = yaml.safe_load(path.read_text())
    assert written["channels"] == ["conda-forge"]
    assert written["dependencies"][1]["pip"] == [f"--extra-index-url {WHEELS}", "torch==2.4.0+cu121"]
    assert (asked[0].channels, asked[0].indexes) == ((FORGE,), (WHEELS,))
    assert f"{FORGE}/linux-64/python-3.11.2-0.conda" in (path.parent / "conda-lock.yml").read_text()


def test_an_index_that_is_not_named_is_asked_for(tmp_path: Path, asked: list[Problem]) -> None:
    result = capture(tmp_path / "environment.yml")
    assert result["failed"]
    assert result["msg"] == (
        "There is no torch==2.4.0+cu121. Change the environment. torch==2.4.0+cu121 may come from another index than "
        "the configured one; pip does not record it. Name its URL in export_pip_indexes."
    )
    assert list(tmp_path.iterdir()) == []
