# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import conda_mirror as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import mirrors

Result = dict[str, Any]


def run(monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> tuple[Result, list[Result]]:
    calls: list[Result] = []
    monkeypatch.setattr(ActionBase, "_make_tmp_path", lambda _: None)
    monkeypatch.setattr(ActionBase, "_execute_module", lambda _, **call: calls.append(call) or {"index": 0})
    plugin = action.ActionModule(
        task=SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
    return plugin.run(task_vars={}), calls


def test_the_node_is_told_what_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = run(
        monkeypatch, mirrors=["tuna", {"url": "https://m.example"}], channels="defaults,menpo", timeout=3
    )
    assert result == {"index": 0, "mirror": "tuna"}
    arguments = calls[0]["module_args"]
    assert arguments[HANDED]["candidates"] == [
        mirrors.answer("tuna", ["defaults", "menpo"]),
        mirrors.answer("https://m.example", ["defaults", "menpo"]),
    ]
    assert arguments["timeout"] == 3


def test_a_mistake_fails_before_any_node_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = run(monkeypatch, mirrors="tsinghua")
    assert result["failed"]
    assert result["msg"].startswith("There is no mirror 'tsinghua'. Known: anaconda, ")
    assert not calls
