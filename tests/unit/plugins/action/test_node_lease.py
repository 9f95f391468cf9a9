# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run takes a node from a run of which it is known here that it has ended."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import node_lease as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lease import Run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_variable import RUN

Result = dict[str, Any]
OTHER = {
    "id": "b2",
    "who": "ana@control1",
    "what": "site.yml",
    "machine": "c3",
    "process": "",
    "since": "2026-11-29 12:03 UTC",
    "until": "2026-11-29 13:03 UTC",
}
ENDED = {**OTHER, "machine": process_identity.machine()}
#: What the node answers to the run's second call, where it has one.
FREE: Result = {"changed": False, "other": None}


def run(
    monkeypatch: pytest.MonkeyPatch, *answers: Result, check_mode: bool = False, state: str = "held", **variables: Any
) -> tuple[Result, list[Result]]:
    """Return the result, and what the action has handed to the node in each call."""
    waiting, handed = list(answers), []

    def execute(_self: Any, module_args: Result, **_call: Any) -> Result:
        handed.append(module_args[HANDED])
        return waiting.pop(0)

    monkeypatch.setattr(ActionBase, "_make_tmp_path", lambda _: None)
    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    plugin = action.ActionModule(
        task=SimpleNamespace(args={"state": state}, async_val=0, check_mode=check_mode, diff=False),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=None,
        templar=None,
        shared_loader_obj=None,
    )
    return plugin.run(task_vars=variables), handed


@pytest.mark.parametrize(
    ("answers", "options", "asked"),
    [
        ([FREE], {}, [None]),
        ([{"other": ENDED}, FREE], {}, [None, "b2"]),
        ([{"other": OTHER}, FREE], {"evenkeel_take_over": "true"}, [None, "b2"]),
    ],
    ids=["free", "ended here", "taken over"],
)
def test_a_node_is_taken(
    monkeypatch: pytest.MonkeyPatch, answers: list[Result], options: Result, asked: list[str | None]
) -> None:
    result, handed = run(monkeypatch, *answers, **options)
    assert [call.get("instead_of") for call in handed] == asked
    assert json.loads(result["run"]) == handed[0]["run"]
    assert not result["changed"]


@pytest.mark.parametrize(
    ("answers", "options"),
    [([OTHER], {}), ([OTHER, {**OTHER, "id": "d4"}], {"evenkeel_take_over": "true"})],
    ids=["held", "somebody was faster"],
)
def test_another_run_keeps_its_node(monkeypatch: pytest.MonkeyPatch, answers: list[Result], options: Result) -> None:
    result, handed = run(monkeypatch, *({"other": one} for one in answers), **options)
    assert result["failed"]
    assert result["msg"].startswith(
        "ana@control1 has been changing this node by site.yml since 2026-11-29 12:03 UTC (until "
    )
    assert result["msg"].endswith("or take the node from it by -e evenkeel_take_over=true.")
    assert len(handed) == len(answers)


def test_check_mode_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, check_mode=True) == ({"changed": False}, [])


def test_a_failure_of_the_module_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, {"failed": True, "msg": "no"})[0] == {"failed": True, "msg": "no"}


def test_a_part_of_a_run_holds_the_node_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Run("a1", "evenkeel-pull", "the commit 0b5e", "", "")
    monkeypatch.setenv(RUN, whole.text())
    result, handed = run(monkeypatch, FREE)
    assert (handed[0]["run"], result["run"]) == (asdict(whole), whole.text())
    assert run(monkeypatch, state="free") == ({"changed": False}, [])


def test_a_node_that_is_let_go_of_is_no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "run" not in run(monkeypatch, FREE, state="free")[0]
