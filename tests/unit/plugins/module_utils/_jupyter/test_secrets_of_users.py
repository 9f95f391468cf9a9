# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that belong to users, who may put any words into their files, are hidden in texts about these users alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import jupyter_servers as logic
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import reference_server as jupyter_reference
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers as jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account, Found
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.servers import Plan, Waiting
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.modules import jupyter_servers as module

USERS = ("ana", "bo")
TOKEN = "a-token-of-ana-that-is-as-long-as-one"  # noqa: S105
SAID = f"The journal: {TOKEN} and more."

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("ansible.module_utils._internal.is_controller", False)
    monkeypatch.setattr("ansible.module_utils.common.warnings._global_warnings", {}, raising=False)
    accounts = {name: Account(name, f"/home/{name}", "/bin/sh", 1001, 1001) for name in USERS}
    monkeypatch.setattr(logic, "look_up", lambda *_: Found(accounts))
    monkeypatch.setattr(jupyter_servers, "known", lambda _: {})
    monkeypatch.setattr(
        jupyter_servers.units, "read", lambda names: {name: jupyter_servers.Unit(name) for name in names}
    )
    monkeypatch.setattr(jupyter_reference, "failure_of_server", lambda *_: None)

    def run(
        token: str, *, failed: dict[str, str] | Exception | None = None, plan: Plan | None = None
    ) -> dict[str, Any]:
        def apply(_: Plan) -> dict[str, str]:
            if isinstance(failed, Exception):
                raise failed
            return failed or {}

        monkeypatch.setattr(jupyter_servers, "apply", apply)
        if plan:
            monkeypatch.setattr(jupyter_servers, "plan", lambda *_, **__: plan)
        (tmp_path / "ana").mkdir()
        (tmp_path / "ana" / "token").write_text(token)
        arguments = {"servers": [{"name": name} for name in USERS], "listen": "socket", "environment": "/e"}
        arguments |= {"units": {}, "config": "", "directory": str(tmp_path), "on_demand": True}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


@pytest.mark.parametrize(
    "words", ["127.0.0.1", "jupyter@bo.service", "/run/evenkeel-jupyter/bo.sock", "%s/bo/token", "/user/bo/"]
)
def test_the_words_in_a_token_file_take_nothing_from_what_is_said_of_others(
    run: Run, tmp_path: Path, words: str
) -> None:
    words = words.replace("%s", str(tmp_path))
    (server,) = (server for server in run(words)["servers"] if server["user"] == "bo")
    assert (server["address"], server["unit"]) == ("127.0.0.1", "jupyter@bo.service")
    assert (server["socket"], server["base_url"]) == ("/run/evenkeel-jupyter/bo.sock", "/user/bo/")
    assert server["token_file"] == str(tmp_path / "bo" / "token")


@pytest.mark.parametrize(("whose", "hidden"), [("ana", True), ("bo", False)])
def test_what_a_journal_says_has_no_secret_of_its_user(run: Run, whose: str, hidden: bool) -> None:
    result = run(TOKEN, failed={whose: SAID})
    (reported,) = result["user_problems"][whose]
    assert reported == (SAID.replace(TOKEN, "********") if hidden else SAID)


def test_what_waits_has_no_secret_of_its_user(run: Run) -> None:
    waiting = Waiting("ana", "jupyter@ana.service", ("x",), (f"pid 1: python --token={TOKEN}",))
    result = run(TOKEN, plan=Plan(waiting=(waiting,), probes=dict.fromkeys(USERS, "light")))
    assert result["waiting"][0]["processes"] == ["pid 1: python --token=********"]
    assert TOKEN not in json.dumps(result)


def test_what_systemd_refuses_has_no_secret(run: Run) -> None:
    result = run(TOKEN, failed=EvenkeelError("systemctl failed", f"The journal:\n{TOKEN}"))
    assert result["failed"]
    assert "The journal:\n********" in result["msg"]
