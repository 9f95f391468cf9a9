# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recorded host has answered is found for the hosts that stand in for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import HANDED

from bench import answers
from bench.answers import Question

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
    return of_module(host, parameters, module).name


def of_module(host: str, parameters: dict[str, Any], module: str = "survey") -> Question:
    return Question(SHELL.format("x" * 32), wrapped(module, parameters), host)


def said(command: str, sent: bytes = b"") -> Question:
    return Question(command, sent, "node1")


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


def test_every_run_asks_the_same() -> None:
    assert asked("node1", {HANDED: {"run": {"id": "1"}}}) == asked("node1", {HANDED: {"run": {"id": "2"}}})


def test_a_command_is_the_same_in_every_run() -> None:
    pattern = """EVENKEEL_RUN='{{"id": "{0}"}}' mkdir ansible-tmp-{0}-2 && echo BECOME-SUCCESS-{1} j{2}"""
    commands = [pattern.format(number, letter * 32, number * 9) for number, letter in ("1a", "2b")]
    assert Question(commands[0], b"", "a-1").name == Question(commands[1], b"", "a-2").name


def test_an_answer_is_kept_without_what_sudo_has_said() -> None:
    asked = of_module("node1", {})
    answers.keep(asked, 3, b"BECOME-SUCCESS-abc\r\n{}\nBECOME-SUCCESS-no\n")
    assert answers.find(asked) == (3, b"{}\nBECOME-SUCCESS-no\n")


def test_other_arguments_get_the_only_answer_there_is() -> None:
    first, second, third = (of_module("node1", {"number": number}) for number in range(3))
    answers.keep(first, 0, b"1")
    assert answers.find(second) == (0, b"1")
    answers.keep(third, 0, b"3")
    assert answers.find(second) is None
    assert answers.find(third) == (0, b"3")


def test_a_command_that_was_not_recorded_has_no_answer() -> None:
    answers.keep(said("true"), 0, b"")
    assert answers.find(said("false")) is None


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        (
            said("mkdir ansible-tmp-1.5-1 && echo ansible-tmp-1.5-1"),
            said("mkdir ansible-tmp-2-2 && echo ansible-tmp-2-2"),
        ),
        (said("/bin/sh", b"echo 0123456789abcdef uid"), said("/bin/sh", b"echo fedcba9876543210 uid")),
    ],
)
def test_what_a_shell_repeats_is_that_of_the_present_run(recorded: Question, now: Question) -> None:
    (old,), (new,) = recorded.repeated.values(), now.repeated.values()
    answers.keep(recorded, 0, b"it is %s, %s" % (old, old))
    assert answers.find(now) == (0, b"it is %s, %s" % (new, new))
