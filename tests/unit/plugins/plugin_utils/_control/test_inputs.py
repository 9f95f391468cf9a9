# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import inputs

USERS = {"type": "list", "elements": "dict", "options": {"name": {"required": True}, "token": {"no_log": True}}}
RUNTIMES = {"type": "list", "elements": "str", "choices": ["auto", "docker"]}

ON_COMMAND_LINE = 'on the command line -e \'{"x":["docker"]}\''

NAMES = {"type": "list", "elements": "str"}

PEM = r"-----BEGIN PRIVATE KEY-----\n********\n"


@pytest.mark.parametrize(
    ("option", "value", "lines"),
    [
        ({"type": "int"}, "8888", []),
        ({"type": "int"}, "abc", ["x is 'abc'. Set it to a whole number."]),
        ({"type": "int"}, [8888], ["x is a list. Set it to a whole number."]),
        ({"type": "float"}, "20.5", []),
        ({"type": "float"}, "fast", ["x is 'fast'. Set it to a number."]),
        ({"type": "bool"}, "false", []),
        ({"type": "bool"}, "nope", ["x is 'nope'. Set it to true or false."]),
        ({}, 3.13, []),
        ({}, {"a": 1}, ["x is a mapping. Set it to text."]),
        ({"type": "path"}, ["/opt"], ["x is a list. Set it to a path."]),
        ({"type": "list"}, [], []),
        ({"type": "list"}, "a,b", ["x is 'a,b'. Set it to a list."]),
        (NAMES, "a,b", ['x is \'a,b\'. Set it to a list, [a, b]; on the command line -e \'{"x":["a","b"]}\'.']),
        (NAMES, "", ["x is ''. Set it to a list."]),
        (NAMES, "a b", ["x is 'a b'. Set it to a list."]),
        ({**NAMES, "no_log": True}, "hunter2", ["x is text. Set it to a list."]),
        (
            {"type": "dict", "options": {"y": NAMES}},
            {"y": "a"},
            ["x.y is 'a'. Set it to a list."],
        ),
        ({"type": "dict"}, "a=b", ["x is 'a=b'. Set it to a mapping."]),
        ({"type": "dict"}, {"a": 1}, []),
        ({"type": "raw"}, object(), []),
        ({"choices": ["port", "socket"]}, "port", []),
        ({"choices": ["port", "socket"]}, "sockt", ["x is 'sockt'. Set it to socket; the choices are port, socket."]),
        (RUNTIMES, ["auto"], []),
        (RUNTIMES, ["auto", "podman"], ["x[1] is 'podman'. Set it to one of auto, docker."]),
        (RUNTIMES, "podman", ["x is 'podman'. Set it to a list of these: auto, docker."]),
        (
            RUNTIMES,
            "dockr",
            [f"x is 'dockr'. Set it to a list, [docker]; {ON_COMMAND_LINE}; the choices are auto, docker."],
        ),
        (RUNTIMES, "docker", [f"x is 'docker'. Set it to a list, [docker]; {ON_COMMAND_LINE}."]),
        (RUNTIMES, "auto,x", ["x is 'auto,x'. Set it to a list of these: auto, docker."]),
        ({"type": "list", "elements": "int"}, [1, "two"], ["x[1] is 'two'. Set it to a whole number."]),
        ({}, None, []),
        ({"default": ""}, None, ["x is empty. Set it to text."]),
        ({"required": True}, None, ["x is empty. Set it to text."]),
        ({"type": "raw", "default": "a"}, None, ["x is empty. Set it to a value."]),
        (USERS, [{"name": "ada", "token": "s"}], []),
        (USERS, [{"token": None}], ["x[0].name is not set. Set it to text."]),
        (
            USERS,
            [{"name": "ada", "tokn": "s"}],
            ["x[0] holds 'tokn', which is none of its keys. Use token instead."],
        ),
        (USERS, [{"name": "ada", "q": 1}], ["x[0] holds 'q', which is none of its keys. Known are name, token."]),
        (USERS, ["ada"], ["x[0] is 'ada'. Set it to a mapping."]),
        ({"type": "int", "no_log": True}, "hunter2", ["x is text. Set it to a whole number."]),
        ({"type": "list", "no_log": True}, 4711, ["x is not text. Set it to a list."]),
        ({"type": "int"}, "a" * 90, [f"x is '{'a' * 56}...'. Set it to a whole number."]),
        ({"type": "int"}, "inf", ["x is 'inf'. Set it to a whole number."]),
        ({"type": "float"}, "nan", ["x is 'nan'. Set it to a number."]),
        ({"type": "float"}, float("inf"), ["x is Infinity. Set it to a number."]),
        ({"type": "list"}, f"https://ada:{'p' * 60}@host", ["x is 'https://********@host'. Set it to a list."]),
        ({"type": "list"}, f"-----BEGIN PRIVATE KEY-----\n{'p' * 9}", [f"x is '{PEM}'. Set it to a list."]),
    ],
)
def test_each_problem_is_a_line_that_names_the_variable(option: dict[str, Any], value: Any, lines: list[str]) -> None:
    assert inputs.problems({"x": option}, {"x": value}) == lines


def test_only_what_is_required_has_to_be_set() -> None:
    options: dict[str, dict[str, Any]] = {"x": {"required": True, "type": "list"}, "y": {"default": 1}}
    assert inputs.problems(options, {}) == ["x is not set. Set it to a list."]


def test_a_message_has_no_markup() -> None:
    options = {"x": {"required": True, "description": "The name. Use letters, C(_) and C(-); see O(y) and (z)."}}
    assert inputs.problems(options, {}) == ["x is not set. Set it to the name. Use letters, _ and -; see y and (z)."]


@pytest.mark.parametrize("value", [1, "1", "25%", "100%", [1, "10%", "100%"]])
def test_a_batch_is_a_number_or_a_share_of_the_nodes(value: Any) -> None:
    assert inputs.wrong_batches("x", value) == []


@pytest.mark.parametrize("value", [0, "0", -1, 1.5, "101%", "0%", "5 %", "a", "", "1\n", [], ["50%", 0], True, {}])
def test_a_batch_has_at_least_one_node(value: Any) -> None:
    (line,) = inputs.wrong_batches("x", value)
    assert line.startswith("x is ")
    assert line.endswith(". Give a number from 1, a percentage from 1% to 100%, or a list of these.")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("a_percentage", 0, ""),
        ("a_percentage", "33.3", ""),
        ("a_percentage", 200, "a_percentage is 200. Set it to a number from 0 to 100."),
        ("a_percentage", "-1", "a_percentage is -1. Set it to a number from 0 to 100."),
        ("a_seconds", 0, "a_seconds is 0. Set it to a number from 1."),
        ("a_timeout", 0, ""),
        ("a_timeout", -1, "a_timeout is -1. Set it to a number from 0."),
        ("a_steps", 0, "a_steps is 0. Set it to a number from 1."),
        ("a_keep_days", -1, "a_keep_days is -1. Set it to a number from 0."),
        ("an_offset", -1, ""),
    ],
)
def test_the_ending_of_a_name_says_which_numbers_it_takes(name: str, value: Any, said: str) -> None:
    assert inputs.wrong_number(name, value) == ([said] if said else [])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ({"type": "path"}, "", "x is empty. Leave it out, or set it to a path."),
        ({"type": "path", "default": "drift"}, "", "x is empty. Leave it out, or set it to a path."),
        ({"required": True}, "", "x is empty. Leave it out, or set it to text."),
        ({"type": "path", "default": ""}, "", ""),
        ({}, "", ""),
        ({"type": "path"}, "a", ""),
    ],
)
def test_a_path_is_empty_only_where_that_is_its_default(option: dict[str, Any], value: str, said: str) -> None:
    assert inputs.wrong_text("x", option, value) == ([said] if said else [])


@pytest.mark.parametrize(
    ("given", "said"), [({"a"}, ""), (set(), ""), ({"a", "b"}, "a and b are both set. Set one of them.")]
)
def test_one_of_two_variables_counts(given: set[str], said: str) -> None:
    assert inputs.both_given(("a", "b"), given) == ([said] if said else [])


def test_a_group_is_one_of_the_inventory() -> None:
    assert inputs.wrong_group("x", "canary", {"all": [], "canary": []}) == []
    assert inputs.wrong_group("x", "gpu1", {"all": ["gpu1"]}) == [
        "x is 'gpu1', and the inventory has no such group. Name one that it has."
    ]


def test_an_old_name_is_answered_with_the_new_one() -> None:
    assert inputs.renamed(["env", "x"], {"env": "lock_env"}) == ["env has another name now. Set lock_env instead."]


@pytest.mark.parametrize(
    ("value", "lines"), [(3, []), (5, ["x is 5 by default since 0.2.0. Set it to 3 to keep what it was."])]
)
def test_a_changed_default_is_reported_to_those_who_have_it(
    monkeypatch: pytest.MonkeyPatch, value: int, lines: list[str]
) -> None:
    changed = {"changed_defaults": {"jupyter": {"x": {"before": 3, "now": 5, "since": "0.2.0"}}}}
    monkeypatch.setattr(inputs, "changes", lambda: changed)
    assert inputs.changed_defaults("jupyter", {"x": value}) == lines
    assert inputs.changed_defaults("mirror", {"x": value}) == []
