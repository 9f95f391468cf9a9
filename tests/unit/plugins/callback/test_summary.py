# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.callback import summary
from ansible_collections.evenkeel.gpu.plugins.callback.summary import CallbackModule

SURVEY = "evenkeel.gpu.survey"


class Run:
    """A run that a callback follows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> None:
        monkeypatch.setattr(summary.context, "CLIARGS", {"tags": ["all"], "skip_tags": [], "check": False, **arguments})
        self.callback = CallbackModule()
        self.shown: list[str] = []
        self.callback._display = SimpleNamespace(
            banner=lambda text: self.shown.append(text), display=lambda text: self.shown.extend(text.splitlines())
        )
        self.failures: dict[str, int] = {}

    def result(
        self,
        action: str,
        result: dict[str, Any],
        role: str = "",
        host: str = "gpu1",
        args: dict[str, Any] | None = None,
    ) -> Any:
        of_role = SimpleNamespace(get_name=lambda: role) if role else None
        task = SimpleNamespace(action=action, name="A task", _role=of_role, ignore_unreachable=False, args=args or {})
        return SimpleNamespace(host=SimpleNamespace(get_name=lambda: host), task=task, result=result)

    def ok(self, action: str, result: dict[str, Any], role: str = "", **args: Any) -> None:
        self.callback.v2_runner_on_ok(self.result(action, result, role, args=args))

    def fail(self, action: str, result: dict[str, Any], role: str = "", **options: Any) -> None:
        self.callback.v2_runner_on_failed(self.result(action, result, role), **options)
        self.failures["gpu1"] = 1

    def end(self) -> list[str]:
        self.callback.v2_playbook_on_stats(SimpleNamespace(failures=self.failures))
        return self.shown


def test_a_run_without_evenkeels_roles_has_no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.ok("ansible.builtin.copy", {"changed": True})
    run.ok("ansible.builtin.copy", {"changed": True}, "geerlingguy.docker")
    run.fail("ansible.builtin.copy", {"failed": True, "msg": "no"})
    assert run.end() == []


def test_reports_of_how_nodes_are_have_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.ok("evenkeel.gpu.conda_mirror", {"changed": False}, "evenkeel.gpu.mirror")
    run.ok(SURVEY, {"roles": ["jupyter"], "to_do": ["jupyter"], "layers": {}}, fail=False)
    assert run.end() == []


def test_a_report_at_the_end_counts_for_the_roles_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.ok(SURVEY, {"roles": ["condarc"], "to_do": [], "layers": {}})
    run.ok(SURVEY, {"roles": ["condarc", "jupyter"], "to_do": ["condarc", "jupyter"], "layers": {}}, fail=False)
    assert run.end()[1:] == ["gpu1: not done: condarc"]


def test_what_was_done_is_summed_up_by_role_and_item(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    role = "evenkeel.gpu.conda_environments"
    run.ok(SURVEY, {"roles": ["conda_environments", "jupyter"], "to_do": ["conda_environments"], "layers": {}})
    items = [{"changed": True, "_ansible_item_label": "ai-dev"}, {"changed": False, "_ansible_item_label": "llm"}]
    run.ok("evenkeel.gpu.conda_environment", {"changed": True, "results": items}, role)
    run.ok("ansible.builtin.copy", {"changed": True, "results": [{"changed": True, "item": {"a": 1}}]}, role)
    assert run.end() == ["SUMMARY", "gpu1: changed conda_environments (ai-dev)"]


def test_a_failure_says_in_which_role_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    items = [{"changed": True, "item": "ai-dev"}, {"failed": True, "msg": "no space", "item": "llm"}]
    result = {"failed": True, "msg": "One or more items failed", "results": items}
    run.fail("evenkeel.gpu.conda_environment", result, "evenkeel.gpu.conda_environments")
    assert run.end()[1:] == ["gpu1: failed in conda_environments: no space", "  changed conda_environments (ai-dev)"]


def test_what_is_ignored_or_rescued_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.ok(SURVEY, {"roles": ["jupyter"], "to_do": [], "layers": {}})
    run.fail("ansible.builtin.stat", {"failed": True, "msg": "no"}, "evenkeel.gpu.jupyter", ignore_errors=True)
    run.fail("ansible.builtin.stat", {"failed": True, "msg": "no"})
    run.failures.clear()
    assert run.end()[1:] == ["gpu1: as declared"]


def test_nodes_of_which_none_can_be_reached_are_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    for host in ("gpu1", "gpu2"):
        message = f"Failed over ssh: ssh: connect to host {host} port 22: No route to host"
        lost = run.result("evenkeel.gpu.node_python", {"unreachable": True, "msg": message}, host=host)
        run.callback.v2_runner_on_unreachable(lost)
    assert run.end()[1:] == [
        "gpu1, gpu2 (2 nodes): unreachable: ssh: connect to host port 22: No route to host",
        "  nothing was changed",
    ]


def test_a_node_that_is_lost_is_shown_although_it_said_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, tags=["jupyter"])
    lost = run.result("ansible.builtin.setup", {"unreachable": True, "msg": "no route"}, host="gpu2")
    run.callback.v2_runner_on_unreachable(lost)
    run.ok(SURVEY, {"roles": ["jupyter"], "to_do": [], "layers": {}})
    assert run.end()[1:] == [
        "gpu1: as declared in jupyter",
        "gpu2: unreachable: no route",
        "  nothing was changed",
    ]
