# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recorded host has answered is found for the hosts that stand in for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

from bench import answers

SHELL = "/bin/sh -c 'sudo -n /bin/sh -c '\"'\"'echo BECOME-SUCCESS-{} ; /usr/bin/python3'\"'\"''"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(answers.FOLDER, str(tmp_path))
    return tmp_path


def wrapped(module: str, parameters: dict[str, Any]) -> bytes:
    """Return what a node reads, as Ansible writes it around a module."""
    text = json.dumps({"ANSIBLE_MODULE_ARGS": parameters})
    return f"_ansiballz_main(\nansible_module={module!r},\nparams={text!r},\nzip_data='UEsDB',\n)\n".encode()


def asked(host: str, parameters: dict[str, Any], module: str = "survey") -> str:
    return answers.question(SHELL.format("x" * 32), wrapped(module, parameters), host)


def test_a_question_is_the_same_for_every_host() -> None:
    first = asked("node1", {"title": "that's node1", "_ansible_tmpdir": "a"})
    assert first == asked("node1-17", {"title": "that's node1-17", "_ansible_tmpdir": "b"})
    assert first.startswith("survey/")
    assert first != asked("node1", {"title": "other"})
    assert first != asked("node1", {"title": "that's node1"}, "setup")


def test_a_node_that_has_the_code_is_asked_the_same() -> None:
    handed = {"digest": "1", "packed": "code", "layers": {}}
    assert asked("node1", {HANDED: handed}) == asked("node1", {HANDED: {"digest": "2", "layers": {}}})
    assert asked("node1", {HANDED: handed}) != asked("node1", {HANDED: {**handed, "layers": {"jupyter": []}}})


def test_a_command_is_the_same_in_every_run() -> None:
    commands = [f"mkdir ansible-tmp-{number}-2 && echo BECOME-SUCCESS-{letter * 32}" for number, letter in ("1a", "2b")]
    assert answers.question(commands[0], None, "a-1") == answers.question(commands[1], b"", "a-2")


def test_an_answer_is_kept_without_what_sudo_has_said() -> None:
    answers.keep("setup/1", 3, b"BECOME-SUCCESS-abc\r\n{}\nBECOME-SUCCESS-no\n")
    assert answers.find("setup/1") == (3, b"{}\nBECOME-SUCCESS-no\n")


def test_other_arguments_get_the_only_answer_there_is() -> None:
    answers.keep("setup/1", 0, b"1")
    assert answers.find("setup/2") == (0, b"1")
    answers.keep("setup/3", 0, b"3")
    assert answers.find("setup/2") is None
    assert answers.find("setup/3") == (0, b"3")


def test_a_command_that_was_not_recorded_has_no_answer() -> None:
    answers.keep("command/1", 0, b"")
    assert answers.find("command/2") is None
