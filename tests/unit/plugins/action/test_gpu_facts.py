# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import gpu_facts as action


def run(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> dict[str, Any]:
    monkeypatch.setattr(ActionBase, "_make_tmp_path", lambda _: None)
    monkeypatch.setattr(ActionBase, "_execute_module", lambda _, **call: answer)
    plugin = action.ActionModule(
        task=SimpleNamespace(args={}, async_val=0, check_mode=False, diff=False),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars={})
    return result


def test_what_is_known_of_a_gpu_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"gpus": [{"address": "0000:01:00.0", "device_id": "0x2901", "name": ""}], "nvlink5": True}
    facts = run(monkeypatch, {"changed": False, "ansible_facts": {"evenkeel_gpu": found}})["ansible_facts"]
    assert facts["evenkeel_gpu"]["nvlink5"]
    assert facts["evenkeel_gpu"]["gpus"][0]["name"] == "B200"
    assert facts["evenkeel_gpu"]["gpus"][0]["flavours"] == ["open"]


def test_a_failure_of_the_module_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, {"failed": True, "msg": "no"}) == {"failed": True, "msg": "no"}
