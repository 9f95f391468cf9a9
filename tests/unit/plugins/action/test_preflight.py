# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of a preflight: the node's shell is asked, the report is shown and written, the verdict is the task's."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import node_probe, preflight_report, preflight_verdict
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import judge

SAID = 'uid 1000\nmachine x86_64\npython /usr/bin/python3 3.12.3\nrelease NAME="Ubuntu"\nrelease VERSION_ID="24.04"'
GONE = {"probe": {"reachable": False, "msg": "No route to host"}}
NO_ROOT = {"probe": {"reachable": True, "root": False, "root_problem": "Missing sudo password"}}


def run(action: Any, **arguments: Any) -> dict[str, Any]:
    plugin = action.ActionModule(
        task=SimpleNamespace(action="", args=arguments, async_val=0, check_mode=False, diff=False),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=None,
        templar=SimpleNamespace(template=lambda value: value),
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars={})
    return result


def probe(
    monkeypatch: pytest.MonkeyPatch,
    as_user: str | Exception,
    as_root: str | Exception = "",
    *,
    pipelining: bool = True,
    root_says: str = "sudo: no",
) -> dict[str, Any]:
    def answer(_self: Any, command: str, sudoable: bool = True, in_data: bytes | None = None) -> dict[str, Any]:
        said = as_root if sudoable else as_user
        if isinstance(said, Exception):
            raise said
        # ssh gives sudo a terminal unless there is something for its standard input.
        assert (in_data is not None) is pipelining
        word = (in_data or command.encode()).decode().partition('echo "')[2].split()[0]
        lines = "\n".join(f"{word} {line}" for line in said.splitlines())
        return {"stdout": f"Welcome\nuid 0\nclock 5\n{lines}", "stderr": "" if said else root_says}

    monkeypatch.setattr(ActionBase, "_low_level_execute_command", answer)
    monkeypatch.setattr(ActionBase, "_is_pipelining_enabled", lambda _self, _style: pipelining)
    return run(node_probe)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_node_that_can_be_used(monkeypatch: pytest.MonkeyPatch, pipelining: bool) -> None:
    found = probe(monkeypatch, SAID, "uid 0\nclock 0", pipelining=pipelining)
    assert (found["reachable"], found["root"], found["python_problem"]) == (True, True, "")
    assert found["release"] == "Ubuntu 24.04"
    assert found["python"] == {"path": "/usr/bin/python3", "version": "3.12.3"}
    assert found["clock_skew"] < -(10**9)


def test_a_node_that_does_not_answer_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    found = probe(monkeypatch, AnsibleConnectionFailure("No\nroute"))
    assert (found["reachable"], found["msg"]) == (False, "No route")
    assert not {"failed", "unreachable"} & found.keys()


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (AnsibleError("Missing sudo password"), "Missing sudo password"),
        ("", "sudo: no"),
        ("uid 1000", "tasks run as the user 1000"),
    ],
)
def test_a_user_that_is_not_root(monkeypatch: pytest.MonkeyPatch, said: str | Exception, problem: str) -> None:
    found = probe(monkeypatch, SAID, said)
    assert found["root"] is False
    assert found["root_problem"].startswith(f"{problem}. Let Ansible's user become root")
    assert found["python"]


def test_a_shell_that_runs_no_commands_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    found = probe(monkeypatch, "", "uid 0")
    assert (found["root"], found["root_problem"]) == (False, "")
    assert found["python_problem"].startswith("The shell of Ansible's user runs no commands and says: sudo: no.")


@pytest.mark.parametrize(
    "says",
    ["sudo: sorry, you must have a tty to run sudo", "sudo: Entschuldigung, sudo braucht ein tty"],
)
def test_sudo_that_requires_a_terminal(monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    found = probe(monkeypatch, SAID, root_says=says)
    assert found["root"] is False
    assert found["root_problem"].startswith(f"{says}. Remove requiretty from sudo's settings")
    assert found["root_problem"].endswith("or set ansible_pipelining to false.")


def test_the_report_is_shown_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(preflight_report, "show", shown.append)
    path = tmp_path / "report.json"
    result = run(preflight_report, nodes={"n10": GONE, "n9": NO_ROOT}, path=str(path))
    assert result == {"changed": False, "ok": False}
    assert "n9: no root: Missing sudo password" in shown[0]
    written = json.loads(path.read_text())
    assert list(written) == ["format", "time", "ok", "nodes", "data"]
    assert list(written["nodes"]) == ["n9", "n10"]
    assert written["nodes"]["n10"]["state"] == "unreachable"
    assert written["data"][0].keys() == {"name", "read", "days"}
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_every_key_of_a_node_is_described() -> None:
    text = (Path(__file__).parents[4] / "docs" / "preflight.md").read_text()
    described = text.partition("## The report")[2]
    assert [key for key in judge(GONE) if f"`{key}`" not in described] == []


def test_a_report_that_can_not_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight_report, "show", lambda text: None)
    result = run(preflight_report, nodes={"n": GONE}, path=str(tmp_path / "no" / "report.json"))
    assert result["failed"]
    assert str(tmp_path / "no" / "report.json") in result["msg"]


def test_the_verdict_is_the_tasks() -> None:
    assert run(preflight_verdict, found=GONE)["unreachable"]
    assert "failed" not in run(preflight_verdict, found=GONE)
    assert run(preflight_verdict, found=NO_ROOT)["msg"] == "problem: see the table above."
    assert run(preflight_verdict, found=NO_ROOT)["failed"]
