# SPDX-License-Identifier: GPL-3.0-or-later
"""When Python is installed on a node, and what is said where it is not."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.evenkeel.gpu.plugins.action import node_python
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.interpreters import configured

NOISE = "uid 4711\npython /usr/bin/perl 3.13\nWelcome!\n"
DEBIAN = "uid 1000\nrelease ID=debian\nrelease VERSION_ID=12\n"
EL8 = "uid 1000\nrelease ID=rocky\nrelease ID_LIKE=rhel\nrelease VERSION_ID=8.10\n"
GOOD = "python /usr/bin/python3 3.11.2\n"
OLD = "python /usr/bin/python3 3.6.8\n"
BROKEN = "python /usr/bin/python3 \n"
ELSEWHERE = "python /usr/libexec/platform-python 3.9.1\n"


def answer(program: str, said: str) -> dict[str, Any]:
    """Return what a login and the program print; the program marks its lines."""
    marked = re.search(r'echo "(\w{16}) uid', program)
    lines = [f"{marked[1]} {line}" for line in said.splitlines()] if marked and "uid" in said else said.splitlines()
    return {"stdout": "\n".join([*NOISE.splitlines(), *lines]), "stderr": "", "rc": 0}


class Node:
    """A node's shell, which says one thing after another."""

    def __init__(self, *said: str, root: str = "uid 0\n") -> None:
        self.said = list(said)
        self.root = root
        self.commands: list[tuple[str, bool]] = []

    def execute(self, command: str, sudoable: bool = True, in_data: bytes | None = None) -> dict[str, Any]:
        assert (command, in_data is None) == ("/bin/sh", False)
        program = (in_data or b"").decode()
        if sudoable and "uid" in program:
            return answer(program, self.root)
        self.commands.append((program, sudoable))
        return answer(program, self.said.pop(0))

    def run(self, monkeypatch: pytest.MonkeyPatch, *, check_mode: bool = False, named: str = "auto") -> dict[str, Any]:
        task = SimpleNamespace(async_val=0, check_mode=check_mode, args={}, environment=[{"http_proxy": "http://p"}])
        task_vars = {"ansible_python_interpreter": named}
        shell = SimpleNamespace(tmpdir="/tmp", env_prefix=lambda **given: f"PROXY={given['http_proxy']}")  # noqa: S108
        templar = Templar(DataLoader(), task_vars)
        plugin = node_python.ActionModule(task, SimpleNamespace(_shell=shell), None, DataLoader(), templar, None)
        monkeypatch.setattr(plugin, "_low_level_execute_command", self.execute)
        monkeypatch.setattr(plugin, "_is_pipelining_enabled", lambda style: style == "new")
        result: dict[str, Any] = plugin.run(task_vars=task_vars)
        return result


def test_a_node_that_has_python_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(DEBIAN + GOOD)
    result = node.run(monkeypatch)
    assert result == {
        "changed": False,
        "path": "/usr/bin/python3",
        "version": "3.11.2",
        "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3"},
    }
    assert [become for _command, become in node.commands] == [False]


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        pytest.param(DEBIAN, DEBIAN + GOOD, "/usr/bin/python3", id="none"),
        pytest.param(DEBIAN + BROKEN, DEBIAN + GOOD, "/usr/bin/python3", id="one that does not run"),
        pytest.param(
            EL8 + OLD,
            EL8 + "python /usr/bin/python3.12 3.12.1\n" + OLD,
            "/usr/bin/python3.12",
            id="one that is too old",
        ),
    ],
)
def test_python_is_installed_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str, path: str
) -> None:
    node = Node(before, "Setting up python3", after)
    result = node.run(monkeypatch)
    assert (result["changed"], result["path"]) == (True, path)
    command, become = node.commands[1]
    assert become
    assert command.startswith("PROXY=http://p sh -c ")
    assert command.endswith(" </dev/null")


@pytest.mark.parametrize("said", [DEBIAN, DEBIAN + GOOD])
def test_without_root_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    node = Node(said, root="sudo: sorry, you must have a tty to run sudo")
    result = node.run(monkeypatch)
    assert result["failed"]
    assert result["msg"].startswith("no root: sudo: sorry, you must have a tty to run sudo. Remove requiretty")
    assert len(node.commands) == 1


def test_the_interpreter_that_is_named_stays_named(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Node(DEBIAN, "", DEBIAN + GOOD).run(monkeypatch, named="/usr/bin/python3")
    assert (result["changed"], "ansible_facts" in result) == (True, False)


@pytest.mark.parametrize(
    ("said", "named", "message"),
    [
        pytest.param(
            DEBIAN + GOOD,
            "/usr/bin/python3.12",
            "There is no /usr/bin/python3.12. Set ansible_python_interpreter to /usr/bin/python3, which is 3.11.2.",
            id="another one is named",
        ),
        pytest.param(
            EL8 + OLD + ELSEWHERE,
            "auto",
            "Set ansible_python_interpreter to /usr/libexec/platform-python, which is 3.9.1.",
            id="one where Ansible does not look",
        ),
        pytest.param(DEBIAN + OLD, "auto", "needs 3.9 or newer. Install it on the node", id="the release has none"),
        pytest.param(
            "uid 1000\nrelease ID=arch\n", "auto", "no Python. Install it on the node", id="an unknown distribution"
        ),
    ],
)
def test_nothing_is_installed_where_that_does_not_help(
    monkeypatch: pytest.MonkeyPatch, said: str, named: str, message: str
) -> None:
    node = Node(said)
    result = node.run(monkeypatch, named=named)
    assert result["failed"]
    assert message in result["msg"]
    assert len(node.commands) == 1


def test_check_mode_installs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(DEBIAN)
    result = node.run(monkeypatch, check_mode=True)
    assert result["msg"] == (
        "no Python. Install it on the node: `sudo apt-get install --yes python3`. A run without --check does that."
    )
    assert len(node.commands) == 1


def test_a_failed_installation_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    result = Node(DEBIAN, "Reading\nE: Unable to locate package python3\n", DEBIAN).run(monkeypatch)
    assert result["failed"]
    assert result["msg"].endswith("ended with: E: Unable to locate package python3")


@pytest.mark.parametrize(
    ("value", "name"),
    [("auto", ""), ("auto_silent", ""), ("/opt/py", "/opt/py"), ("{{ '/opt' }}", "{{ '/opt' }}"), (None, "")],
)
def test_the_interpreter_that_is_configured(value: str | None, name: str) -> None:
    task_vars = {"ansible_python_interpreter": value}
    assert configured(task_vars, Templar(DataLoader(), task_vars)) == name
