# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action vscode_remote brings to a node, and when."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import vscode_remote as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

EMPTY = hashlib.sha256(b"").hexdigest()
SERVER = {
    "commit": "c",
    "sha256": EMPTY,
    "archive": "server.tar.gz",
    "cli_archive": "cli.tar.gz",
    "cli_sha256": EMPTY,
}
WANTED = {"changed": True, "wanted": ["server.tar.gz", "cli.tar.gz"]}
DONE: dict[str, Any] = {"changed": True, "wanted": []}

Result = dict[str, Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the action; return its result, the options of each run of the module, and the files brought."""
    for name in ("server.tar.gz", "cli.tar.gz"):
        (tmp_path / name).touch()
    brought: list[list[Path]] = []

    def bring(_: ActionBase, files: list[Path]) -> str:
        brought.append(files)
        return "/tmp/on-the-node"  # noqa: S108

    monkeypatch.setattr(action, "bring", bring)

    def run(
        options: Result, *answers: Result, check_mode: bool = False
    ) -> tuple[Result, list[Result], list[list[Path]]]:
        left, calls = list(answers), []

        def execute(_: ActionBase, **call: Any) -> Result:
            assert call["module_name"] == "evenkeel.gpu.vscode_remote"
            calls.append(call["module_args"])
            return dict(left.pop(0))

        monkeypatch.setattr(ActionBase, "_execute_module", execute)
        plugin = action.ActionModule(
            task=SimpleNamespace(args=options, async_val=0, check_mode=check_mode, diff=False),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
            play_context=None,
            loader=SimpleNamespace(get_basedir=lambda: "/", path_dwim=lambda path: str(tmp_path / path)),
            templar=None,
            shared_loader_obj=None,
        )
        result = plugin.run(task_vars={})
        assert not left
        return result, calls, brought

    return run


def test_a_node_that_lacks_the_archives_is_brought_them(run: Any, tmp_path: Path) -> None:
    options = {"server": SERVER}
    result, calls, brought = run(options, WANTED, DONE)
    assert result == {"changed": True}
    assert calls == [{**options, HANDED: {}}, {**options, HANDED: {"brought": "/tmp/on-the-node"}}]  # noqa: S108
    assert brought == [[tmp_path / "server.tar.gz", tmp_path / "cli.tar.gz"]]


def test_in_check_mode_nothing_is_brought(run: Any) -> None:
    result, calls, brought = run({"server": SERVER}, WANTED, check_mode=True)
    assert (result, len(calls), brought) == ({"changed": True}, 1, [])


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("name", ["sha256", "cli_sha256"])
def test_another_archive_than_was_declared_is_not_brought(run: Any, name: str, check_mode: bool) -> None:
    result, calls, brought = run({"server": {**SERVER, name: "0" * 64}}, WANTED, check_mode=check_mode)
    assert result["failed"]
    assert f"has the SHA-256 {EMPTY}, not {'0' * 64}" in result["msg"]
    assert (len(calls), brought) == (1, [])


@pytest.mark.parametrize("options", [{}, {"server": SERVER}])
def test_a_node_that_has_all_is_brought_nothing(run: Any, options: Result) -> None:
    result, calls, brought = run(options, {"changed": False, "wanted": []})
    assert (result, len(calls), brought) == ({"changed": False}, 1, [])


@pytest.mark.parametrize("name", ["archive", "cli_archive"])
def test_an_archive_that_is_not_there_is_named_before_the_node_is_asked(run: Any, tmp_path: Path, name: str) -> None:
    result, calls, _ = run({"server": {**SERVER, name: "nowhere.tar.gz"}})
    assert result["failed"]
    assert result["msg"].startswith(f"{tmp_path}/nowhere.tar.gz is not a file on the control node. ")
    assert calls == []
