# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing on the control node is reported by every plugin, with the command that installs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible_collections.evenkeel.gpu.plugins.lookup.environment_problems import LookupModule
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import requirements
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering

COMMAND = f"{sys.executable} -m pip install -r {requirements.FILE}"


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that uv and ruamel.yaml are not installed."""
    monkeypatch.setattr(requirements, "_is_there", lambda name: name not in ("uv", "ruamel.yaml"))


def test_where_all_is_there_nothing_is_reported() -> None:
    requirements.require()


def test_a_package_that_is_not_there() -> None:
    assert [requirements._is_there(name) for name in ("no_such", "no_such.child")] == [False, False]


@pytest.mark.usefixtures("missing")
def test_the_error_names_all_that_is_missing_and_the_command() -> None:
    with pytest.raises(EvenkeelError) as caught:
        requirements.require()
    assert "has no ruamel.yaml, uv" in str(caught.value)
    assert COMMAND in str(caught.value)


@pytest.mark.usefixtures("missing")
def test_a_filter_reports_it() -> None:
    with pytest.raises(AnsibleFilterError, match=r"has no ruamel\.yaml, uv"):
        answering(lambda: "an answer")()


@pytest.mark.usefixtures("missing")
def test_a_lookup_reports_it() -> None:
    with pytest.raises(AnsibleLookupError, match=r"has no ruamel\.yaml, uv"):
        LookupModule().run([], directory="/nowhere")


@pytest.mark.usefixtures("missing")
def test_an_action_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Action):
        _discovered_interpreter_key = None

        def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
            return {"changed": True}

    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *args: {})
    result = Asked.run(object.__new__(Asked))
    assert (result["failed"], result["changed"]) == (True, False)
    assert "has no ruamel.yaml, uv" in result["msg"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ModuleNotFoundError("No module named '_cffi_backend'", name="_cffi_backend"), id="lacks its own"),
        pytest.param(ImportError("cannot import name 'Gateway' from 'rattler'", name="rattler"), id="too old"),
        pytest.param(AttributeError("module 'lib' has no attribute 'X509'"), id="does not fit another"),
        pytest.param(SyntaxError("invalid syntax"), id="for another Python"),
    ],
)
def test_a_package_that_is_there_and_fails_is_reported(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(requirements, "_failed", [])
    with requirements.optional():
        raise error
    with pytest.raises(EvenkeelError, match=re.escape(str(error))) as caught:
        requirements.require()
    assert f"{sys.executable} -m pip install --force-reinstall -r {requirements.FILE}" in str(caught.value)


@pytest.mark.parametrize("name", ["uv", "ruamel", "ruamel.yaml", "rattler"])
def test_an_optional_import_may_fail(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(requirements, "_failed", [])
    with requirements.optional():
        raise ModuleNotFoundError(name, name=name)


def test_the_file_is_the_collections_own() -> None:
    assert Path(__file__).parents[5] / "requirements.txt" == requirements.FILE
    assert requirements.FILE.is_file()
