# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import conda_environment as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._environment import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solver import Problem

# The module, not the action, turns a comma-separated string into a list; its answer counts.
ARGUMENTS = {"name": "ai-dev", "packages": "python=3.11,numpy", "channels": "main", "root": "/srv/evenkeel"}
UNRESOLVED = {
    "changed": False,
    "prefix": "/srv/evenkeel/envs/ai-dev",
    "unresolved": {
        "packages": ["numpy", "python=3.11"],
        "channels": ["main"],
        "platform": "linux-64",
        "virtual_packages": {"__unix": "0", "__glibc": "2.36"},
    },
}
PROBLEM = Problem(("numpy", "python=3.11"), ("main",), "linux-64", (("__glibc", "2.36"), ("__unix", "0")))
ANSWER = [Package("numpy", "2.3.1", "0", "ab" * 32, "https://mirror.example/numpy-2.3.1-0.conda")]
RESOLVED = {
    "name": "numpy",
    "version": "2.3.1",
    "build": "0",
    "sha256": "ab" * 32,
    "url": "https://mirror.example/numpy-2.3.1-0.conda",
}

Result = dict[str, Any]


class Control:
    """A control node whose modules answer as told and whose solver is counted."""

    def __init__(self, run_directory: Path) -> None:
        self.run_directory = run_directory
        self.answers: list[Result] = []
        self.calls: list[Result] = []
        self.solved: list[Problem] = []
        self.solution: list[Package] | EvenkeelError = ANSWER

    def execute_module(self, _: ActionBase, **call: Any) -> Result:
        self.calls.append(call)
        return self.answers[len(self.calls) - 1]

    def solve(self, problem: Problem) -> list[Package]:
        self.solved.append(problem)
        if isinstance(self.solution, EvenkeelError):
            raise self.solution
        return self.solution

    def run(self, *answers: Result) -> Result:
        self.answers, self.calls = list(answers), []
        plugin = action.ActionModule(
            task=SimpleNamespace(args=dict(ARGUMENTS), async_val=0, check_mode=False, diff=False),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere")),
            play_context=None,
            loader=None,
            templar=None,
            shared_loader_obj=None,
        )
        result: Result = plugin.run(task_vars={"inventory_hostname": "node"})
        return result


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Control:
    control = Control(tmp_path)
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(ActionBase, "_execute_module", lambda plugin, **call: control.execute_module(plugin, **call))
    monkeypatch.setattr(action, "solve_with_rattler", control.solve)
    return control


@pytest.mark.parametrize("answer", [{"changed": False}, {"changed": True}, {"failed": True, "msg": "not ours"}])
def test_what_the_module_knows_or_refuses_needs_no_solve(control: Control, answer: Result) -> None:
    assert control.run(answer) == answer
    assert [call["module_args"] for call in control.calls] == [ARGUMENTS]
    assert not control.solved


def test_what_it_does_not_know_is_solved_and_brought(control: Control) -> None:
    done = {"changed": True, "generation": "/srv/evenkeel/generations/ai-dev/1"}
    assert control.run(UNRESOLVED, done) == done
    assert [call["module_args"] for call in control.calls] == [ARGUMENTS, {**ARGUMENTS, "resolved": [RESOLVED]}]
    for call in control.calls:
        assert call["module_name"] == "evenkeel.gpu.conda_environment"
        assert call["task_vars"] == {"inventory_hostname": "node"}
    assert control.solved == [PROBLEM]


def test_the_second_node_gets_the_same_answer_without_a_solve(control: Control) -> None:
    for _ in range(2):
        assert control.run(UNRESOLVED, {"changed": True}) == {"changed": True}
        assert control.calls[1]["module_args"]["resolved"] == [RESOLVED]
    assert len(control.solved) == 1


def test_a_node_with_another_driver_is_solved_for_itself(control: Control) -> None:
    facts = UNRESOLVED["unresolved"]
    assert isinstance(facts, dict)
    with_driver = {**facts, "virtual_packages": {**facts["virtual_packages"], "__cuda": "12.4"}}
    control.run(UNRESOLVED, {"changed": True})
    control.run({**UNRESOLVED, "unresolved": with_driver}, {"changed": True})
    assert [dict(problem.virtual_packages).get("__cuda") for problem in control.solved] == [None, "12.4"]


def test_an_unsolvable_list_fails_with_the_explanation_and_nothing_is_made(control: Control) -> None:
    control.solution = EvenkeelError("No candidates were found for nope", "Change it")
    for _ in range(2):
        assert control.run(UNRESOLVED) == {
            "failed": True,
            "changed": False,
            "msg": "No candidates were found for nope. Change it.",
        }
        assert len(control.calls) == 1
    assert len(control.solved) == 1
