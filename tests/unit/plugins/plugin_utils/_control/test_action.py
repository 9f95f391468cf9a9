# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action

from tests.unit.plugins.tagged import tagged

PLUGINS = Path(__file__).parents[5] / "plugins"
ACTIONS = sorted((PLUGINS / "action").glob("*.py"))
ON_THE_CONTROL_NODE = sorted(
    path
    for folder in ("action", "plugin_utils", "filter", "lookup")
    for path in (PLUGINS / folder).rglob("*.py")
    # What is of commands belongs to programs by themselves.
    if path.name != "action.py" and not re.search(r"(^|_)command(_line)?$", path.stem)
)
ESCAPE = "\x1b[2K\rok: [n1]"
SHOWN = r"\x1b[2K\x0dok: [n1]"

Result = dict[str, Any]


def result_of(act: Callable[[], Result]) -> Result:
    class Acting(Action):
        def act(self, task_vars: dict[str, Any]) -> Result:
            return act()

    task = SimpleNamespace(async_val=0, check_mode=False, args={})
    shell = SimpleNamespace(tmpdir="/tmp")  # noqa: S108
    return Acting(task, SimpleNamespace(_shell=shell), None, None, None, None).run(task_vars={})


def test_a_result_can_be_shown() -> None:
    summary = object()
    found = {
        "changed": True,
        ESCAPE: [ESCAPE],
        "diff": {"prepared": f"+ {ESCAPE}\n"},
        "warnings": ["a\nb https://me:pw@c", summary],
    }
    assert result_of(lambda: found) == {
        "changed": True,
        SHOWN: [SHOWN],
        "diff": {"prepared": f"+ {SHOWN}\n"},
        "warnings": ["a b https://********@c", summary],
    }


def test_what_a_task_says_is_plain() -> None:
    task = SimpleNamespace(async_val=0, check_mode=False, args=tagged({"platforms": ["linux-64"]}))
    arguments = Action(task, SimpleNamespace(), None, None, None, None)._task.args
    assert arguments == {"platforms": ["linux-64"]}
    assert {type(arguments), type(arguments["platforms"]), type(arguments["platforms"][0])} == {dict, list, str}


def test_a_package_that_fails_when_it_is_needed_is_reported() -> None:
    def fail() -> Result:
        raise ImportError("librattler.so: cannot open shared object file")

    assert "can't import what it has (ImportError: librattler.so" in result_of(fail)["msg"]


def test_an_error_is_a_failure_of_the_task() -> None:
    def fail() -> Result:
        raise EvenkeelError(f"{ESCAPE} is odd", "Remove it", rc=3)

    assert result_of(fail) == {"failed": True, "changed": False, "msg": f"{SHOWN} is odd. Remove it.", "rc": 3}


def test_what_nobody_foresaw_is_one_too() -> None:
    def fail() -> Result:
        raise ValueError(ESCAPE)

    result = result_of(fail)
    assert result["failed"]
    assert result["msg"].startswith(f"An error in Evenkeel itself: ValueError: {SHOWN}. Report it")
    assert "\x1b" not in result["exception"]


def test_errors_of_ansible_stay_its_own() -> None:
    def fail() -> Result:
        raise AnsibleConnectionFailure("gone")

    with pytest.raises(AnsibleConnectionFailure):
        result_of(fail)


def test_what_is_said_meanwhile_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _, text: said.append(text))
    monkeypatch.setattr(Display, "display", lambda _, text: said.append(text))
    action.warn(f"a\n{ESCAPE}")
    action.show(ESCAPE)
    assert said == [f"a {SHOWN}", SHOWN]


@pytest.mark.parametrize("path", ACTIONS, ids=[path.stem for path in ACTIONS])
def test_every_action_is_one_of_these(path: Path) -> None:
    classes = {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)}
    plugin = classes["ActionModule"]
    methods = {node.name for node in plugin.body if isinstance(node, ast.FunctionDef)}
    assert ([ast.unparse(base) for base in plugin.bases], bool({"act", "steps"} & methods), "run" in methods) == (
        ["Action"],
        True,
        False,
    )


@pytest.mark.parametrize("path", ON_THE_CONTROL_NODE, ids=[path.stem for path in ON_THE_CONTROL_NODE])
def test_nothing_speaks_past_it(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not names & {"Display", "_display", "print"}


LACKING = {"failed": True, "rc": 127, "module_stdout": "", "module_stderr": "sh: python3.11: not found"}


def call_module(answers: list[Result], task_vars: dict[str, Any]) -> Result:
    class Calling(Action):
        def act(self, task_vars: dict[str, Any]) -> Result:
            return self.execute(action.Call("condarc", {}), task_vars)

        def _execute_module(self, **call: Any) -> Result:
            if action.DISCOVERED not in call["task_vars"].get("ansible_facts", {}):
                self._discovered_interpreter_key = action.DISCOVERED
                self._discovered_interpreter = "/usr/bin/python3.13"
            return answers.pop(0)

    task = SimpleNamespace(async_val=0, check_mode=False, args={})
    shell = SimpleNamespace(tmpdir="/tmp")  # noqa: S108
    return Calling(task, SimpleNamespace(_shell=shell), None, None, None, None).run(task_vars=task_vars)


def test_a_python_that_is_gone_is_looked_for_again() -> None:
    known = {"ansible_facts": {action.DISCOVERED: "/usr/bin/python3.11"}}
    found = call_module([LACKING, {"changed": True}], known)
    assert found == {"changed": True, "ansible_facts": {action.DISCOVERED: "/usr/bin/python3.13"}}


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        pytest.param({"rc": 127, "msg": "a program's own"}, {action.DISCOVERED: "/a"}, id="not of a module"),
        pytest.param({**LACKING, "rc": 1}, {action.DISCOVERED: "/a"}, id="another failure"),
        pytest.param(LACKING, {}, id="just looked for"),
    ],
)
def test_other_failures_are_not_tried_again(answer: Result, facts: dict[str, Any]) -> None:
    found = call_module([dict(answer)], {"ansible_facts": facts})
    assert found["rc"] == answer["rc"]


@pytest.mark.parametrize(
    ("facts", "status", "answer"),
    [
        ({action.DISCOVERED: "/usr/bin/python3.11"}, 1, {"rc": 127}),
        ({action.DISCOVERED: "/usr/bin/python3.11"}, 0, None),
        ({}, 1, None),
    ],
    ids=["gone", "there", "named by the inventory"],
)
def test_a_connection_that_breaks_may_be_a_python_that_is_gone(
    facts: dict[str, Any], status: int, answer: Result | None
) -> None:
    class Calling(Action):
        def _execute_module(self, **_: Any) -> Result:
            raise AnsibleConnectionFailure("Data could not be sent to remote host")

        def _low_level_execute_command(self, command: str, **_: Any) -> Result:
            assert command == "test -x /usr/bin/python3.11"
            return {"rc": status}

    task = SimpleNamespace(async_val=0, check_mode=False, args={})
    shell = SimpleNamespace(tmpdir="/tmp")  # noqa: S108
    calling = Calling(task, SimpleNamespace(_shell=shell), None, None, None, None)
    if answer is None:
        with pytest.raises(AnsibleConnectionFailure):
            calling._run_on_node(action.Call("survey", {}), {"ansible_facts": facts})
    else:
        found = calling._run_on_node(action.Call("survey", {}), {"ansible_facts": facts})
        assert action.lacks_python(found)
        assert found["rc"] == answer["rc"]
