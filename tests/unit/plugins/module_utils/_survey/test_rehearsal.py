# SPDX-License-Identifier: GPL-3.0-or-later
"""What a survey answers to each call of a module."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import rehearsal
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.logics import LOGICS, Rehearsed
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.survey import EARLIER

HUSH = "hush-hush-hush"
ME = f"me:{HUSH}"
SPEC: dict[str, Any] = {
    "name": {"type": "str", "default": "x"},
    "count": {"type": "int"},
    "token": {"type": "str", "no_log": True},
    "keys": {"type": "dict", "no_log": True},
    "servers": {"type": "list", "elements": "dict", "options": {"password": {"type": "str", "no_log": True}}},
    "limits": {"type": "dict", "options": {"memory": {"type": "str", "default": "1G"}}},
}
HANDED: dict[str, Any] = {"text": {"type": "str", "default": "none"}}

Logic = Callable[[dict[str, Any], bool], Mapping[str, Any]]
Ask = Callable[..., dict[str, Any]]


def rehearsed(logic: Logic, **others: Any) -> Rehearsed:
    known: dict[str, Any] = {"argument_spec": SPEC, "from_action": HANDED, "rules": {}, "secrets": lambda _: ()}
    return Rehearsed(logic, **{**known, **others})


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return a function that calls a logic, with options, as a survey does."""

    def ask(logic: Logic, handed: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        monkeypatch.setitem(LOGICS, "fake", rehearsed(logic))  # type: ignore[misc]
        return rehearsal.answered({"module": "fake", "options": options, "handed": handed or {}}, [])

    return ask


def seen(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    return {"seen": params, "check_mode": check_mode}


def raising(error: Exception) -> Logic:
    def logic(_params: dict[str, Any], _check_mode: bool) -> Mapping[str, Any]:
        raise error

    return logic


def test_a_logic_gets_its_options_with_defaults_and_nothing_else_and_always_check_mode(ask: Ask) -> None:
    before = deepcopy(SPEC)
    answer = ask(seen, handed={"text": "t"}, count="5", limits={})
    assert answer["check_mode"] is True
    assert answer["changed"] is False
    assert answer["seen"] == {
        **dict.fromkeys(("token", "keys", "servers")),
        "name": "x",
        "count": 5,
        "limits": {"memory": "1G"},
        "text": "t",
    }
    assert ask(seen)["seen"]["text"] == "none"
    assert before == SPEC


def test_a_logic_says_what_it_would_change(ask: Ask) -> None:
    assert ask(lambda *_: {"changed": True, "path": "/a"}) == {"changed": True, "path": "/a"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": "many"}, "count"),
        ({"unheard": 1}, "unheard"),
        ({"servers": "none"}, "servers"),
        ({"limits": {"memori": "1G"}}, "memori"),
    ],
)
def test_options_that_do_not_fit_are_a_problem(ask: Ask, options: dict[str, Any], words: str) -> None:
    answer = ask(seen, **options)
    assert answer["failed"]
    assert not answer.get("unknown")
    assert words in answer["msg"]


def test_rules_across_options_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {"required_one_of": [("count", "token")], "mutually_exclusive": [("token", "count")], "other": 1}
    monkeypatch.setitem(LOGICS, "fake", rehearsed(seen, rules=rules))  # type: ignore[misc]

    def answer(**options: Any) -> dict[str, Any]:
        return rehearsal.answered({"module": "fake", "options": options, "handed": {"text": "t"}}, [])

    assert "mutually exclusive" in answer(token="t" * 9, count=1)["msg"]
    assert "one of the following is required" in answer()["msg"]
    assert "failed" not in answer(count=1), "they are about options, not about what is handed over"


def test_what_is_handed_has_a_specification_too(ask: Ask) -> None:
    assert "other" in ask(seen, handed={"other": 1})["msg"]


@pytest.mark.parametrize(
    ("error", "is_unknown", "words"),
    [
        (EvenkeelError("The mirror has no 5", "Name another"), False, "The mirror has no 5. Name another."),
        (PermissionError(13, "Permission denied", "/a"), True, "/a: Permission denied."),
        (KeyError("a"), True, "An error in Evenkeel itself: KeyError: 'a'."),
        (RecursionError("deep"), True, "RecursionError: deep"),
    ],
)
def test_an_error_is_a_problem_if_a_person_can_solve_it_and_unknown_otherwise(
    ask: Ask, error: Exception, is_unknown: bool, words: str
) -> None:
    answer = ask(raising(error))
    assert answer["failed"]
    assert answer["changed"] is False
    assert answer.get("unknown", False) is is_unknown
    assert ("exception" in answer) is is_unknown
    assert words in answer["msg"]


def denied_within(_params: dict[str, Any], _check_mode: bool) -> Mapping[str, Any]:
    try:
        raise PermissionError(13, "Permission denied", "/a")
    except OSError as error:
        raise EvenkeelError("/a: Permission denied", "Run as root") from error


@pytest.mark.parametrize(
    ("logic", "root", "user"),
    [
        (lambda *_: {"changed": True}, "change", "problem"),
        (lambda *_: {"changed": False}, "same", "same"),
        (raising(PermissionError(13, "Permission denied", "/a")), "unknown", "problem"),
        (raising(PermissionError(1, "Operation not permitted", "/a")), "unknown", "problem"),
        (denied_within, "other problem", "problem"),
        (raising(OSError(28, "No space left on device", "/a")), "unknown", "unknown"),
        (raising(EvenkeelError("The mirror has no 5", "Name another")), "other problem", "other problem, too"),
    ],
    ids=["change", "same", "read", "attribute", "error of it", "full", "other error"],
)
def test_what_needs_root_is_one_problem_without_it(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, logic: Logic, root: str, user: str
) -> None:
    for uid, expected in ((0, root), (1000, user)):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        answer = ask(logic)
        assert answer["changed"] is (expected == "change")
        assert answer.get("failed", False) is (expected not in ("change", "same"))
        assert answer.get("unknown", False) is (expected == "unknown")
        needs_root = "The user of this run on the node, number 1000, is not root. Set become: true for the play."
        assert (answer.get("msg") == needs_root) is (expected == "problem")
        assert answer.get("msg", "").endswith(needs_root) is (expected in ("problem", "other problem, too"))


def test_details_of_a_problem_come_with_it(ask: Ask) -> None:
    assert ask(raising(EvenkeelError("a", "b", warnings=["w"], rc=3)))["warnings"] == ["w"]


@pytest.mark.parametrize(
    "options",
    [
        {"token": HUSH},
        {"keys": {"a": [HUSH]}},
        {"servers": [{"password": HUSH}]},
        {"name": f"https://{ME}@mirror/a"},
    ],
    ids=["no_log", "within no_log", "a suboption", "a URL"],
)
@pytest.mark.parametrize(
    "logic",
    [
        lambda *_: {"changed": True, "diff": {"after": f"is {ME}"}, "list": [[ME]]},
        raising(EvenkeelError(f"{ME} is refused", "Change it", stderr=ME)),
        raising(OSError(2, ME, f"/{ME}")),
        raising(ValueError(ME)),
    ],
    ids=["result", "problem", "system", "unexpected"],
)
def test_a_secret_is_in_no_answer(ask: Ask, logic: Logic, options: dict[str, Any]) -> None:
    assert HUSH not in json.dumps(ask(logic, **options))


@pytest.mark.parametrize(
    "options", [{"keys": HUSH}, {"servers": [{"password": HUSH, "count": 1}]}, {"token": HUSH, "count": HUSH}]
)
def test_a_secret_is_in_no_error_about_wrong_types(ask: Ask, options: dict[str, Any]) -> None:
    answer = ask(seen, **options)
    assert answer["failed"]
    assert HUSH not in json.dumps(answer)


def test_what_a_module_calls_a_secret_is_in_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOGICS, "fake", rehearsed(seen, secrets=lambda params: [params["text"]]))  # type: ignore[misc]
    answer = rehearsal.answered({"module": "fake", "options": {}, "handed": {"text": HUSH}}, [])
    assert HUSH not in json.dumps(answer)


def test_an_option_can_be_of_an_earlier_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOGICS, "fake", rehearsed(seen))  # type: ignore[misc]

    def call(number: int, key: str) -> dict[str, Any]:
        return {"module": "fake", "options": {"name": {EARLIER: [number, key]}}, "handed": {}}

    answers = [{"path": "/a"}, {"failed": True}, {"waits": 0}]
    assert rehearsal.answered(call(0, "path"), answers)["seen"]["name"] == "/a"
    assert [rehearsal.answered(call(number, "path"), answers) for number in (1, 2)] == [{"waits": 1}, {"waits": 2}]


def test_each_call_begins_with_the_umask_of_a_module(ask: Ask) -> None:
    before = os.umask(0o077)
    assert ask(lambda *_: {"umask": os.umask(0o077)})["umask"] == 0o022
    assert ask(lambda *_: {"umask": os.umask(0o077)})["umask"] == 0o022
    os.umask(before)


def test_what_a_layer_does_not_answer_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOGICS, "fake", rehearsed(lambda *_: {"changed": True}))  # type: ignore[misc]
    monkeypatch.setitem(LOGICS, "dead", rehearsed(lambda *_: os._exit(1)))  # type: ignore[misc]
    fake, dead, nameless = ({"module": name, "options": {}, "handed": {}} for name in ("fake", "dead", "nameless"))
    lost = {"failed": True, "changed": False, "unknown": True}
    assert rehearsal.read({"a": [fake, dead, fake], "b": [fake], "c": [nameless], "d": []}, 600) == {
        "a": [{"changed": True}, *[{**lost, "msg": "its process ended early"}] * 2],
        "b": [{"changed": True}],
        "c": [{**lost, "msg": "KeyError: 'nameless'"}],
        "d": [],
    }


@pytest.mark.parametrize(("answer_seconds", "once", "most"), [(None, False, 2), (10, True, 3)])
def test_a_preflight_asks_once_and_begins_with_all_layers(
    monkeypatch: pytest.MonkeyPatch, answer_seconds: int | None, once: bool, most: int
) -> None:
    seen = []

    def in_processes(layers: Mapping[str, Any], seconds: float, at_once: int, variable: str) -> dict[str, Any]:
        seen.append((patience.asks_once(), seconds, at_once, variable))
        return {name: ([], "late") for name in layers}

    monkeypatch.setattr(rehearsal, "in_processes", in_processes)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    calls: dict[str, list[dict[str, Any]]] = {"a": [], "b": [], "c": []}
    assert rehearsal.read(calls, 60, answer_seconds, "drift_seconds") == calls
    assert seen == [(once, 60, most, "drift_seconds")]
    assert not patience.asks_once()
