# SPDX-License-Identifier: GPL-3.0-or-later
"""A survey calls each module as its own entry does."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import survey
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.logics import LOGICS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.read_ahead import PLUGINS

COLLECTION = "ansible_collections.evenkeel.gpu.plugins"
OF_RUN = ("from_action", "verbatim", "secrets")


def entered(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, dict[str, Any]]:
    """Return what a module hands to the entry: its logic, its specification, and the rest by name."""
    module = importlib.import_module(f"{COLLECTION}.modules.{name}")
    calls: list[tuple[Any, Any, dict[str, Any]]] = []
    monkeypatch.setattr(module, "run", lambda logic, spec, **others: calls.append((logic, spec, others)))
    module.main()
    (call,) = calls
    return call


@pytest.mark.parametrize("name", LOGICS)
def test_a_module_is_rehearsed_as_it_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logic, specification, others = entered(name, monkeypatch)
    rehearsed = LOGICS[name]
    assert rehearsed.logic is logic
    assert rehearsed.argument_spec is specification
    assert rehearsed.from_action == (others.get("from_action") or {})
    assert rehearsed.rules == {rule: value for rule, value in others.items() if rule not in OF_RUN}
    assert list(rehearsed.secrets({})) == [] if "secrets" not in others else rehearsed.secrets is others["secrets"]
    assert set(others.get("verbatim", ())) <= set(survey.VERBATIM)


@pytest.mark.parametrize("name", [name for name in LOGICS if (PLUGINS / "action" / f"{name}.py").exists()])
def test_an_action_says_what_it_calls_so_that_a_survey_can(name: str) -> None:
    action = importlib.import_module(f"{COLLECTION}.action.{name}").ActionModule
    assert action.act is Action.act or "super().act(" in inspect.getsource(action.act)
    assert action.steps is not Action.steps
