# SPDX-License-Identifier: GPL-3.0-or-later
"""What a survey reports of a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._survey.logics import LOGICS
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import report
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.rehearsal import Rehearsed

NOTHING: dict[str, Any] = report.of_layer([], diff=False)


def rehearsed(result: dict[str, Any] | None, module: str = "condarc", item: str = "") -> Rehearsed:
    def start() -> Any:
        raise AssertionError("a report asks nothing")

    return Rehearsed(0, module, item, start, result=result)


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ({}, {}),
        ({"changed": False, "diff": {"before": "", "after": ""}}, {}),
        ({"changed": True}, {"changes": [{"task": "condarc"}]}),
        ({"changed": True, "diff": [{"before": "a"}]}, {"changes": [{"task": "condarc", "diff": [{"before": "a"}]}]}),
        ({"failed": True, "msg": "no"}, {"problems": ["no"]}),
        ({"failed": True, "msg": "no", "unknown": True}, {"unknown": ["no"]}),
        ({"failed": True, "msg": "no", "changed": True, "reboot": ["x"]}, {"problems": ["no"]}),
        ({"unknown": ["the mirror"]}, {"unknown": ["the mirror"]}),
        ({"warnings": ["w"]}, {"warnings": ["w"]}),
        ({"failed": True, "msg": "no", "warnings": ["w"]}, {"problems": ["no"], "warnings": ["w"]}),
        ({"reboot": ["the module changed"]}, {"reboot": ["the module changed"]}),
        ({"user_problems": {"ana": ["full"]}}, {"user_problems": {"ana": ["full"]}}),
        ({"changed": True, "plan": ["switch"]}, {"changes": [{"task": "condarc", "plan": ["switch"]}]}),
        (
            {"waiting": [{"unit": "jupyter@ana.service", "why": ["a", "b"]}]},
            {"restarts": ["jupyter@ana.service (a, b)"]},
        ),
    ],
)
def test_a_result_is_part_of_its_layer(result: dict[str, Any], found: dict[str, Any]) -> None:
    assert report.of_layer([rehearsed(result)], diff=True) == {**NOTHING, **found}


def test_items_of_loops_are_kept_apart() -> None:
    built = rehearsed({"changed": True}, "conda_environment", "ai-dev")
    failed = rehearsed({"failed": True, "msg": "no"}, "conda_environment", "llm")
    cache = rehearsed({"warnings": ["w"]}, "conda_package_cache")
    assert report.of_items([cache, built, failed], diff=True) == {
        "": {"warnings": ["w"]},
        "ai-dev": {"changes": [{"task": "conda_environment ai-dev"}]},
        "llm": {"problems": ["llm: no"]},
    }
    assert report.of_items([cache], diff=True) == {}


def test_results_of_several_tasks_are_put_together() -> None:
    layer = report.of_layer(
        [
            rehearsed({"changed": True}, item="one"),
            rehearsed(None),
            rehearsed({"changed": True, "user_problems": {"ana": ["a"], "bo": ["b"]}}, item="two"),
            rehearsed({"user_problems": {"ana": ["c"]}}),
        ],
        diff=True,
    )
    assert layer == {
        **NOTHING,
        "changes": [{"task": "condarc one"}, {"task": "condarc two"}],
        "user_problems": {"ana": ["a", "c"], "bo": ["b"]},
    }


def test_versions_and_digests_are_the_state() -> None:
    layer = report.of_layer(
        [
            rehearsed({"digest": "1f", "generation": "", "other": "x"}, "conda_environment", "ai-dev"),
            rehearsed({"version": "580.1", "flavour": "open"}, "nvidia_driver"),
            rehearsed({"digest": "2f"}),
        ],
        diff=True,
    )
    assert layer["state"] == {
        "conda_environment ai-dev": {"digest": "1f"},
        "nvidia_driver": {"version": "580.1", "flavour": "open"},
    }


def test_state_is_read_of_modules_that_exist() -> None:
    assert set(report.IDENTITIES) <= set(LOGICS)


@pytest.mark.parametrize(
    ("found", "work"),
    [
        ({}, False),
        ({"changes": [{"task": "a"}]}, True),
        ({"unknown": ["a"]}, True),
        ({"reboot": ["a"]}, True),
        ({"warnings": ["a"], "user_problems": {"ana": ["a"]}, "state": {"a": {"b": "c"}}}, False),
        ({"problems": ["a"]}, False),
    ],
)
def test_there_is_work_where_something_changes_or_is_not_known(found: dict[str, Any], work: bool) -> None:
    assert report.to_do({"condarc": {**NOTHING, **found}}, ["condarc"]) == (["condarc"] if work else [])


WORK: dict[str, Any] = {**NOTHING, "changes": [{"task": "a"}]}
ROLES = ("miniconda", "condarc", "conda_environments", "jupyter", "remote_access", "front_door")


@pytest.mark.parametrize(
    ("changing", "asking", "work"),
    [
        ("condarc", ROLES, ["condarc"]),
        ("conda_environments", ROLES, ["conda_environments", "jupyter", "remote_access", "front_door"]),
        ("conda_environments", ("jupyter",), ["conda_environments", "jupyter"]),
        ("jupyter", ROLES, ["jupyter", "front_door"]),
        ("miniconda", ROLES, list(ROLES)),
        ("front_door", ROLES, ["front_door"]),
    ],
)
def test_roles_that_build_on_a_change_follow_it(changing: str, asking: tuple[str, ...], work: list[str]) -> None:
    assert report.to_do({role: WORK if role == changing else NOTHING for role in ROLES}, asking) == work


def test_followers_come_after_what_they_follow() -> None:
    file = Path(__file__).parents[5] / "playbooks" / "vars" / "roles.yml"
    roles = yaml.safe_load(file.read_text())["__roles_of_site"]
    for role, followers in report.FOLLOWERS.items():
        assert all(roles.index(role) < roles.index(follower) for follower in followers)


def test_a_problem_names_the_item_that_it_is_about() -> None:
    failed = {"failed": True, "msg": "no numpyy"}
    layer = report.of_layer(
        [rehearsed(failed, item="ai-dev"), rehearsed({**failed, "msg": "ai-dev: no"}, item="ai-dev")],
        diff=False,
    )
    assert layer["problems"] == ["ai-dev: no numpyy", "ai-dev: no"]


def test_differences_are_left_out_where_nobody_asks_for_them() -> None:
    layer = report.of_layer([rehearsed({"changed": True, "diff": {"after": "secret"}})], diff=False)
    assert report.without_empty(layer) == {"changes": [{"task": "condarc"}]}


def test_a_problem_of_several_items_is_said_once() -> None:
    failed = {"failed": True, "msg": "no mirror\nCaused by: dns"}
    layer = report.of_layer([rehearsed(failed, item="ai-dev"), rehearsed(failed, item="jupyter")], diff=False)
    assert layer["problems"] == ["ai-dev, jupyter: no mirror\nCaused by: dns"]
    assert report.problems({"conda": layer}) == ["conda: ai-dev, jupyter: no mirror\n  Caused by: dns"]


def test_a_problem_is_a_line_with_its_role_once() -> None:
    layers = {"b": {"problems": ["x", "y", "x"]}, "a": {"problems": ["x"]}, "c": {"problems": []}}
    assert report.problems(layers) == ["b: x", "b: y", "a: x"]


LONG = "the solver says no: " + 50 * "because "


@pytest.mark.parametrize(("problem", "shortened"), [("short", False), (LONG, True), (f"a\n{LONG}", True)])
def test_a_long_problem_is_shown_whole_by_one_host(problem: str, shortened: bool, tmp_path: Path) -> None:
    assert report.said_once(problem, "n1", tmp_path) == problem
    assert report.said_once(problem, "n1", tmp_path) == problem, "of two runs on the same host, both say it"
    said = report.said_once(problem, "n2", tmp_path)
    assert said.endswith("(the same as on n1, where all of it is shown)") is shortened
    assert len(said) < len(LONG)
    assert said.startswith(problem.partition("\n")[0][:20])


def test_another_long_problem_is_shown_too(tmp_path: Path) -> None:
    report.said_once(LONG, "n1", tmp_path)
    assert report.said_once(LONG + "x", "n2", tmp_path) == LONG + "x"
