# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action jupyter_servers sends to a node instead of passwords."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.action import jupyter_servers as action
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

PASSWORD = "correct horse battery staple"  # noqa: S105
Run = Callable[[list[Any]], dict[str, Any]]


@pytest.fixture
def sent() -> list[dict[str, Any]]:
    """The options of each run of the module."""
    return []


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(action, "warn", found.append)
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, sent: list[dict[str, Any]], warnings: list[str]) -> Run:
    def execute(_: ActionBase, **call: Any) -> dict[str, Any]:
        sent.append(call["module_args"])
        return {"changed": True}

    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    monkeypatch.setattr(action, "hashed", lambda password, node, user: f"hash of {len(password)} for {user} on {node}")
    monkeypatch.setattr(action, "in_plain_text", lambda password, _: "group_vars/all.yml" if " " in password else "")

    def run(servers: list[Any]) -> dict[str, Any]:
        plugin = action.ActionModule(
            task=SimpleNamespace(
                args={"servers": servers, "listen": "port"}, async_val=0, check_mode=False, diff=False
            ),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir=None)),
            play_context=None,
            loader=None,
            templar=None,
            shared_loader_obj=None,
        )
        result: dict[str, Any] = plugin.run(task_vars={"inventory_hostname": "gpu1"})
        return result

    return run


def test_no_password_leaves_the_control_node(run: Run, sent: list[dict[str, Any]], warnings: list[str]) -> None:
    servers = [{"name": "ana", "password": PASSWORD, "port": 1}, {"name": "bo", "password": None}, "odd"]
    assert run(servers) == {"changed": True}
    ana = {"name": "ana", "port": 1, "hashed_password": f"hash of {len(PASSWORD)} for ana on gpu1"}
    assert sent == [{"servers": [ana, *servers[1:]], "listen": "port", HANDED: {}}]
    assert [words for words in warnings if "ana" in words and "group_vars/all.yml" in words] == warnings
    assert len(warnings) == 1
    assert PASSWORD not in warnings[0]


def test_a_password_that_is_in_a_vault_is_not_warned_of(run: Run, warnings: list[str]) -> None:
    run([{"name": "ana", "password": "without-a-space"}])
    assert warnings == []


def test_a_password_and_a_hash_are_refused(run: Run, sent: list[dict[str, Any]]) -> None:
    result = run([{"name": "ana", "password": PASSWORD, "hashed_password": "argon2:x"}])
    assert result["failed"]
    assert result["msg"].startswith("ana has a password and a hashed_password")
    assert PASSWORD not in str(result)
    assert sent == []
