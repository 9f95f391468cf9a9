# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the options of the module vscode_remote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_remote
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.fixture
def params(tmp_path: Path) -> dict[str, Any]:
    """A node with conda, and the environments ``ai-dev``, by a link, and ``minimal``, which has no Python."""
    for name in ("gen/1/conda-meta", "gen/1/bin", "envs/minimal/conda-meta", "envs/no-environment", "conda/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "gen/1/bin/python").touch(mode=0o755)
    (tmp_path / "conda/bin/conda").touch()
    (tmp_path / "envs/ai-dev").symlink_to("../gen/1")
    (tmp_path / "envs/.hidden").symlink_to("../gen/1")
    return {
        "environments": str(tmp_path / "envs"),
        "environment": "ai-dev",
        "planned": [],
        "conda": str(tmp_path / "conda/bin/conda"),
    }


def test_environments_are_found_by_the_name_that_stays(params: dict[str, Any]) -> None:
    found = vscode_remote.found_environments(params["environments"])
    assert found == [f"{params['environments']}/ai-dev", f"{params['environments']}/minimal"]
    assert vscode_remote.found_environments("/nowhere") == []


def test_interpreter_and_conda(params: dict[str, Any]) -> None:
    assert vscode_remote.chosen(params, [], may_be_missing=False) == {
        "python.condaPath": params["conda"],
        "python.defaultInterpreterPath": f"{params['environments']}/ai-dev/bin/python",
    }
    without = {**params, "environment": "", "conda": "/nowhere"}
    assert vscode_remote.chosen(without, [], may_be_missing=False) == {}


@pytest.mark.parametrize(
    ("planned", "check_mode", "refused"),
    [([], False, True), ([], True, True), (["minimal"], False, True), (["minimal"], True, False)],
)
def test_an_environment_without_a_python(
    params: dict[str, Any], planned: list[str], check_mode: bool, refused: bool
) -> None:
    asked = {**params, "environment": "minimal", "planned": planned}
    if not refused:
        assert "python.defaultInterpreterPath" in vscode_remote.chosen(asked, [], may_be_missing=check_mode)
        return
    with pytest.raises(EvenkeelError, match=r"no environment with a Python at .*/minimal; there is none"):
        vscode_remote.chosen(asked, [], may_be_missing=check_mode)


def test_all_users_that_are_missing_are_named() -> None:
    with pytest.raises(EvenkeelError, match="no user nobody-here, nor-here"):
        vscode_remote.accounts_of(["root", "nobody-here", "nor-here"], may_be_missing=False)
    found = vscode_remote.accounts_of(["root", "nobody-here"], may_be_missing=True)
    assert [account.pw_name for account in found] == ["root"]
