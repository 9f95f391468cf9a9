# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module
from ansible_collections.evenkeel.gpu.plugins.modules import conda_environment_leftovers


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what the operator is warned of."""
    said: list[str] = []
    monkeypatch.setattr(Module, "warn", lambda _module, text: said.append(text))
    return said


def run(root: Path, declared: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with patch_module_args({"root": str(root), "declared": declared}), pytest.raises(SystemExit):
        conda_environment_leftovers.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with two environments, what is left of a third that was removed, and one that somebody else made."""
    (tmp_path / "envs" / "somebodys").mkdir(parents=True)
    for name in ("ai-dev", "nlp", "removed"):
        (tmp_path / "generations" / name / "1a").mkdir(parents=True)
    for name in ("ai-dev", "nlp"):
        (tmp_path / "envs" / name).symlink_to(f"../generations/{name}/1a")
    return tmp_path


@pytest.mark.parametrize(
    ("declared", "leftovers", "said"),
    [
        (["ai-dev", "nlp"], [], ""),
        (
            ["ai-dev", "new"],
            ["nlp"],
            "The node has the environment nlp, which is not declared. Runs leave it as it is. To remove it, add "
            "{name: nlp, state: absent} to conda_environments_list of the role.",
        ),
        (
            [],
            ["ai-dev", "nlp"],
            "The node has the environments ai-dev, nlp, which are not declared. Runs leave them as they are. To remove "
            "them, add {name: ai-dev, state: absent} and {name: nlp, state: absent} to conda_environments_list of the "
            "role.",
        ),
    ],
)
def test_what_is_no_longer_declared(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    warnings: list[str],
    declared: list[str],
    leftovers: list[str],
    said: str,
) -> None:
    result = run(root, declared, capsys)
    assert (result["changed"], result["leftovers"]) == (False, leftovers)
    assert warnings == ([said] if said else [])


def test_a_bare_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none", ["ai-dev"], capsys)["leftovers"] == []
