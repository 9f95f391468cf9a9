# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.evenkeel.gpu.plugins.action import validate_inputs as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs

OPTIONS = {"gate_port": {"type": "int", "default": 443}, "gate_hosts": {"type": "list", "elements": "str"}}
CHECKS = [
    {"ok": trust_as_template("{{ gate_port > 0 }}"), "problem": "gate_port is too small."},
    {"ok": trust_as_template("{{ gate_hosts | length > 0 }}"), "problem": "gate_hosts is empty."},
]
UNDEFINED = "can't be read: 'port' is undefined"
CHANGES = {"roles": {"gate": {"gate_names": "gate_hosts"}}, "playbooks": {}, "changed_defaults": {}}


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a role with a specification."""
    folder = tmp_path / "gate"
    (folder / "meta").mkdir(parents=True)
    specification = {"argument_specs": {"inputs": {"options": OPTIONS}}}
    (folder / "meta" / "argument_specs.yml").write_text(yaml.safe_dump(specification))
    monkeypatch.setattr(inputs, "changes", lambda: CHANGES)
    return folder


def run(role: Path, **variables: Any) -> dict[str, Any]:
    task_vars = {"role_path": str(role), "__gate_checks": CHECKS, "gate_port": 443, "gate_hosts": ["a"], **variables}
    plugin = action.ActionModule(
        task=SimpleNamespace(args={"checks": "__gate_checks"}, async_val=0, check_mode=False, diff=False),
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
        play_context=None,
        loader=DataLoader(),
        templar=Templar(DataLoader(), task_vars),
        shared_loader_obj=None,
    )
    result: dict[str, Any] = plugin.run(task_vars=task_vars)
    return result


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, None),
        ({"gate_port": "abc"}, "gate_port is 'abc'. Set it to a whole number."),
        ({"gate_port": trust_as_template("{{ 4 * 'a' }}")}, "gate_port is 'aaaa'. Set it to a whole number."),
        (
            {"gate_port": trust_as_template("{{ port }}")},
            f"gate_port {UNDEFINED}",
        ),
        (
            {"gate_hosts": [trust_as_template("{{ port }}")]},
            f"gate_hosts {UNDEFINED}",
        ),
        (
            {"gate_port": "abc", "gate_hosts": [trust_as_template("{{ port }}")]},
            "gate_port is 'abc'. Set it to a whole number.",
        ),
        ({"gate_port": 0, "gate_hosts": []}, "gate_port is too small.\ngate_hosts is empty."),
        ({"gate_names": ["a"]}, "gate_names has another name now. Set gate_hosts instead."),
    ],
)
def test_a_role_is_refused_with_a_line_for_each_problem(
    role: Path, variables: dict[str, Any], message: str | None
) -> None:
    result = run(role, **variables)
    assert (result.get("failed", False), result.get("msg")) == (message is not None, message)


def test_rules_are_looked_at_when_all_types_are_right(role: Path) -> None:
    assert run(role, gate_hosts="", gate_port=0)["msg"] == "gate_hosts is ''. Set it to a list."


def test_what_a_filter_refuses_is_a_line(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, value: Any) -> Any:
        if value is not CHECKS:
            return value
        try:
            raise EvenkeelError("gate_hosts holds a twice", "Name it once")
        except EvenkeelError as error:
            raise AnsibleFilterError("in a filter") from error

    monkeypatch.setattr(action.ActionModule, "_template", refuse)
    assert run(role)["msg"] == "gate_hosts holds a twice. Name it once."


def test_a_changed_default_is_a_warning(role: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    changed = {"gate": {"gate_port": {"before": 80, "now": 443, "since": "0.2.0"}}}
    monkeypatch.setattr(inputs, "changes", lambda: {**CHANGES, "changed_defaults": changed})
    monkeypatch.setattr(action, "warn", warnings.append)
    assert not run(role).get("failed")
    assert warnings == ["gate_port is 443 by default since 0.2.0. Set it to 80 to keep what it was."]
    assert not run(role, gate_port=8443).get("failed")
    assert len(warnings) == 1
