# SPDX-License-Identifier: GPL-3.0-or-later
"""What other runs know of this one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

import pytest
from ansible import constants, context
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_variable import RUN
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import this_run

HERE = os.uname().nodename


@pytest.mark.parametrize(
    ("variables", "environment", "who"),
    [
        ({}, {"LOGNAME": "ana"}, f"ana@{HERE}"),
        ({}, {"LOGNAME": "root", "SUDO_USER": "ana"}, f"ana@{HERE}"),
        ({"awx_user_name": "ben"}, {"LOGNAME": "runner"}, f"ben@{HERE}"),
        ({"evenkeel_pulls": True}, {"LOGNAME": "root"}, "evenkeel-pull"),
        ({"evenkeel_pulls": "false"}, {"LOGNAME": "ana"}, f"ana@{HERE}"),
    ],
)
def test_who_runs_is_a_person_and_a_machine(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, Any], environment: Mapping[str, str], who: str
) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert this_run.of(variables).who == who


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert this_run.of({}).who == f"user {os.getuid()}@{HERE}"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"args": ("/srv/playbooks/site.yml",)}, "site.yml"),
        ({"args": ("a.yml", "b/c.yml")}, "a.yml, c.yml"),
        ({}, "Ansible"),
    ],
)
def test_what_runs_are_playbooks(monkeypatch: pytest.MonkeyPatch, arguments: Mapping[str, Any], what: str) -> None:
    monkeypatch.setattr(context, "CLIARGS", arguments)
    assert this_run.of({}).what == what


def test_the_process_is_that_of_the_run_and_not_of_its_worker() -> None:
    found = multiprocessing.get_context("fork").SimpleQueue()
    worker = multiprocessing.get_context("fork").Process(target=lambda: found.put(this_run.of({})))
    worker.start()
    run = found.get()
    worker.join()
    assert run.process == process_identity.of(os.getpid())
    assert run == this_run.of({})


def test_an_empty_variable_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN, "")
    assert not this_run.is_inherited()
    assert this_run.of({}).process == process_identity.of(os.getpid())


def test_two_runs_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    first = this_run.of({}).id
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", "/another")
    assert this_run.of({}).id != first
