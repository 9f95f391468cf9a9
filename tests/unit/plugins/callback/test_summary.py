# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.callback import summary
from ansible_collections.evenkeel.gpu.plugins.callback.summary import CallbackModule
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.run_summary import COLUMNS

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
        check_mode: bool | None = None,
    ) -> Any:
        task = SimpleNamespace(
            action=action,
            name="A task",
            args=args or {},
            check_mode=check_mode,
            ignore_unreachable=False,
            _role=SimpleNamespace(get_name=lambda: role) if role else None,
        )
        return SimpleNamespace(host=SimpleNamespace(get_name=lambda: host), task=task, result=result)

    def ok(self, action: str, result: dict[str, Any], role: str = "", **args: Any) -> None:
        self.callback.v2_runner_on_ok(self.result(action, result, role, args=args))

    def fail(self, action: str, result: dict[str, Any], role: str = "", **options: Any) -> None:
        self.callback.v2_runner_on_failed(self.result(action, result, role), **options)
        self.failures["gpu1"] = self.failures.get("gpu1", 0) + 1

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


def test_a_role_alone_is_as_declared_and_not_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    survey = {"roles": ["nvidia_driver"], "to_do": [], "layers": {}}
    run.callback.v2_runner_on_ok(run.result(SURVEY, survey, "evenkeel.gpu.nvidia_driver"))
    assert run.end()[1:] == ["gpu1: as declared in nvidia_driver"]


def test_a_role_alone_names_itself_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.fail(SURVEY, {"failed": True, "msg": "condarc: no\ncondarc: neither"}, "evenkeel.gpu.condarc")
    assert run.end()[1] == "gpu1: failed in condarc: no"


def test_what_is_ignored_or_rescued_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.ok(SURVEY, {"roles": ["jupyter"], "to_do": [], "layers": {}})
    run.fail("ansible.builtin.stat", {"failed": True, "msg": "no"}, "evenkeel.gpu.jupyter", ignore_errors=True)
    run.fail("ansible.builtin.stat", {"failed": True, "msg": "no"})
    run.failures.clear()
    assert run.end()[1:] == ["gpu1: as declared"]


def test_of_failures_those_count_that_were_not_rescued(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    for why in ("in use", "stopped, since it is in use", "the lease is gone"):
        run.fail("ansible.builtin.assert", {"failed": True, "msg": why}, "evenkeel.gpu.nvidia_driver")
    run.failures["gpu1"] = 2
    assert run.end()[1:] == [
        "gpu1: failed in nvidia_driver: stopped, since it is in use",
        "  failed in nvidia_driver: the lease is gone",
        "  nothing was changed",
    ]


def test_of_what_is_censored_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    run.fail("evenkeel.gpu.condarc", {"failed": True, "censored": "the output has been hidden"}, "evenkeel.gpu.condarc")
    assert run.end()[1] == "gpu1: failed in condarc: the output has been hidden"


def test_what_a_preview_finds_is_not_left_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch)
    found = {"roles": ["jupyter", "nvidia_driver"], "to_do": ["jupyter", "nvidia_driver"], "layers": {}}
    run.callback.v2_runner_on_ok(run.result(SURVEY, found, check_mode=True))
    run.ok("evenkeel.gpu.jupyter_servers", {"changed": True}, "evenkeel.gpu.jupyter")
    assert run.end() == ["SUMMARY", "gpu1: changed jupyter"]


@pytest.mark.parametrize(("check", "shown"), [(False, "not done: condarc"), (True, "would change condarc")])
def test_a_preview_changes_nothing(monkeypatch: pytest.MonkeyPatch, check: bool, shown: str) -> None:
    run = Run(monkeypatch, check=check)
    run.ok(SURVEY, {"roles": ["condarc"], "to_do": ["condarc"], "layers": {}})
    preview = run.result("evenkeel.gpu.condarc", {"changed": True}, "evenkeel.gpu.condarc", check_mode=True)
    run.callback.v2_runner_on_ok(preview)
    assert run.end()[1:] == [f"gpu1: {shown}"]


@pytest.mark.parametrize("rebooted", [True, False])
def test_after_a_reboot_nothing_waits(monkeypatch: pytest.MonkeyPatch, rebooted: bool) -> None:
    run = Run(monkeypatch)
    layers = {"jupyter": {"restarts": ["jupyter@ana.service (environment)"]}}
    run.ok(SURVEY, {"roles": ["nvidia_driver", "jupyter"], "to_do": ["nvidia_driver"], "layers": layers})
    installed = {"changed": False, "reboot": ["the new module"], "left": ["kept"]}
    run.ok("evenkeel.gpu.nvidia_driver", installed, "evenkeel.gpu.nvidia_driver")
    run.ok("ansible.builtin.reboot", {"changed": rebooted, "rebooted": rebooted}, "evenkeel.gpu.nvidia_driver")
    shown = run.end()[1:]
    assert shown[0] == ("gpu1: changed nvidia_driver" if rebooted else "gpu1: as declared")
    assert shown[-1] == "  left: nvidia_driver: kept"
    assert len([line for line in shown if line.startswith("  waits: ")]) == (0 if rebooted else 2)


@pytest.mark.parametrize(
    ("terminal", "columns", "widest"), [(True, 79, 79), (True, 200, COLUMNS), (False, 79, COLUMNS)]
)
def test_lines_are_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, columns: int, widest: int
) -> None:
    run = Run(monkeypatch)
    run.callback._display.columns = columns
    monkeypatch.setattr(summary.sys, "stdout", SimpleNamespace(isatty=lambda: terminal))
    run.fail("evenkeel.gpu.condarc", {"failed": True, "msg": "no " * 70}, "evenkeel.gpu.condarc")
    assert widest - 3 < max(map(len, run.end())) <= widest


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
