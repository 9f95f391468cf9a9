# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of the templates in engines/ci, whatever runs them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version

FOLDER = Path(__file__).parents[3] / "engines" / "ci"
GITHUB = FOLDER / "github-workflow.yml"
GITLAB = FOLDER / "gitlab-ci.yml"


def of_github() -> dict[str, Any]:
    # YAML takes the key "on" for a truth value.
    return {"on" if key is True else key: value for key, value in yaml.safe_load(GITHUB.read_text()).items()}


def steps() -> list[dict[str, Any]]:
    return [step for job in of_github()["jobs"].values() for step in job["steps"]]


def test_actions_of_others_are_pinned_to_a_commit_with_its_version() -> None:
    used = re.findall(r"uses: (\S+)  # (\S+)", GITHUB.read_text())
    assert len(used) == len([step for step in steps() if "uses" in step])
    for action, version in used:
        assert re.fullmatch(r"actions/\w+@[0-9a-f]{40}", action)
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version)


def test_nothing_that_a_pull_request_says_is_put_into_a_script() -> None:
    assert [step["run"] for step in steps() if "${{" in step.get("run", "")] == []


def test_jobs_may_do_no_more_than_they_need() -> None:
    workflow = of_github()
    assert workflow["permissions"] == {}
    assert set(workflow["on"]) == {"pull_request", "push"}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
        "locks": {"contents": "read", "pull-requests": "write"},
        "tests": {"contents": "read"},
    }


def test_what_a_pull_request_brings_runs_without_a_token() -> None:
    """The job with a token that may write runs Evenkeel alone."""
    locks, tests = (of_github()["jobs"][name]["steps"] for name in ("locks", "tests"))
    assert [step["with"]["persist-credentials"] for step in (locks[0], tests[0])] == [False, False]
    for step in (*locks, *tests):
        assert ("github.token" in str(step)) is (step.get("name") == "Comment what changes")
    compared = [step["run"] for step in steps() if "lock diff" in step.get("run", "")]
    assert ["--until HEAD " in run for run in compared] == [True], "links in a work tree lead anywhere"
    lines = [line for step in locks for line in step.get("run", "").splitlines()]
    programs = {shlex.split(line)[0] for line in lines}
    assert programs == {"git", "python3", "$RUNNER_TEMP/tools/bin/pip", "printf", "evenkeel"}
    assert "env" not in {shlex.split(line)[1] for line in lines if line.startswith("evenkeel")}


def test_of_the_runs_for_one_request_the_last_comments() -> None:
    assert of_github()["concurrency"] == {
        "group": "environment-${{ github.ref }}",
        "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
    }
    assert yaml.safe_load(GITLAB.read_text())[".evenkeel"]["interruptible"] is True


def test_a_file_of_a_pull_request_takes_no_modules_place() -> None:
    assert [path.name for path in (GITHUB, GITLAB) if "python3 -m" in path.read_text()] == []


def test_both_templates_get_evenkeel_of_this_version() -> None:
    github, gitlab = of_github()["env"], yaml.safe_load(GITLAB.read_text())["variables"]
    for variables in (github, gitlab):
        assert variables["EVENKEEL_REF"] == f"v{own_version()}"
    assert github["EVENKEEL_URL"] == gitlab["EVENKEEL_URL"]
    installs = [step["run"] for step in steps() if step.get("name") == "Get Evenkeel"]
    assert installs[0] == installs[1]


def test_gitlabs_jobs_run_for_merge_requests_and_the_default_branch() -> None:
    jobs = {name: job for name, job in yaml.safe_load(GITLAB.read_text()).items() if name != "variables"}
    hidden = jobs.pop(".evenkeel")
    assert [rule["if"] for rule in hidden["rules"]] == [
        '$CI_PIPELINE_SOURCE == "merge_request_event"',
        "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
    ]
    assert {job["extends"] for job in jobs.values()} == {".evenkeel"}
    assert jobs["evenkeel-changes"]["rules"] == hidden["rules"][:1]
    assert jobs["evenkeel-tests"]["cache"]["key"] == "evenkeel-$EVENKEEL_DIGEST"
