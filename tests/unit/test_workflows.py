# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of the project's workflows, beside what their linters find."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.images import machine_image
from reality.parts import nodes
from reality.run import ORDER
from reality.world import World

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "engines" / "ci" / "github-workflow.yml"
PATHS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# YAML takes the key "on" for a truth value.
WORKFLOWS: dict[str, dict[Any, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in PATHS}
JOBS = {f"{name}/{job}": found for name, one in WORKFLOWS.items() for job, found in one["jobs"].items()}
READ = {"contents": "read"}
WRITING = {
    "reality/issue": {**READ, "issues": "write"},
    "release/release": {"contents": "write", "id-token": "write", "attestations": "write"},
}


def steps(job: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job.get("steps", [])
    return found


def actions(job: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [step for step in steps(job) if step.get("uses", "").startswith(f"{name}@")]


def test_when_they_run() -> None:
    assert {name: one[True] for name, one in WORKFLOWS.items()} == {
        "test": {"push": {"branches": ["**"]}, "pull_request": None, "workflow_call": None},
        "reality": {"schedule": [{"cron": "17 3 * * 1"}], "workflow_dispatch": None},
        "release": {"push": {"tags": ["v*"]}},
    }


def test_the_reality_check_has_a_machine_for_each_release() -> None:
    matrix = JOBS["reality/ask"]["strategy"]["matrix"]
    assert [one["of"] for one in matrix["include"]] == [*nodes.releases(), *machine_image.RELEASES]
    assert {*matrix["part"], *(one["part"] for one in matrix["include"])} == {*ORDER} - {"gpu"}
    ids = [claim.id for claim in nodes.claims(World(Path(), Path()))]
    assert [key for key in ids if not any(fnmatch(key, f"*/{one['of']}") for one in matrix["include"])] == []


@pytest.mark.parametrize(("status", "report", "ended"), [(0, "{}", 0), (1, "{}", 0), (3, "", 1)])
def test_a_report_with_differences_is_a_result_and_none_is_a_failure(
    status: int, report: str, ended: int, tmp_path: Path
) -> None:
    (step,) = [step for step in steps(JOBS["reality/ask"]) if "make test-real" in step.get("run", "")]
    wrote = f"mkdir -p build/reality; printf '{report}' >build/reality/reality.json; exit {status}"
    for name, body in (("git", ""), ("make", f'[ "$1" = setup ] && exit; echo "$*" >asked; {wrote}')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PART": "nodes", "ONLY": "*/rocky9", "GITHUB_WORKSPACE": "x"}
    assert subprocess.run(["bash", "-e", "-c", step["run"]], check=False, cwd=tmp_path, env=env).returncode == ended
    assert (tmp_path / "asked").read_text() == "test-real PARTS=nodes ONLY=*/rocky9 LIMIT=18000\n"


def test_actions_are_pinned_to_a_commit_each_to_the_same_one_everywhere() -> None:
    lines = [line.strip("- ") for path in (*PATHS, TEMPLATE) for line in path.read_text().splitlines()]
    used = {line for line in lines if line.startswith("uses: ") and not line.startswith("uses: ./")}
    pinned = [re.fullmatch(r"uses: (actions/[\w-]+)@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line) for line in used]
    assert None not in pinned
    assert len({one[1] for one in pinned if one}) == len(used) == 5


@pytest.mark.parametrize("name", JOBS)
def test_a_job_may_do_no_more_than_it_needs(name: str) -> None:
    assert WORKFLOWS[name.partition("/")[0]]["permissions"] == {}
    assert JOBS[name]["permissions"] == WRITING.get(name, READ)
    assert {step["with"]["persist-credentials"] for step in actions(JOBS[name], "actions/checkout")} <= {False}
    assert "uses" in JOBS[name] or JOBS[name]["timeout-minutes"]


@pytest.mark.parametrize("name", JOBS)
def test_nothing_that_somebody_names_is_put_into_a_script(name: str) -> None:
    assert [step["run"] for step in steps(JOBS[name]) if "${{" in step.get("run", "")] == []


def test_only_galaxys_job_has_a_secret_behind_its_environment() -> None:
    assert [name for name, job in JOBS.items() if "secrets" in str(job)] == ["release/galaxy"]
    (step,) = [step for step in steps(JOBS["release/galaxy"]) if "secrets" in str(step)]
    assert step == steps(JOBS["release/galaxy"])[-1]
    assert [name for name, job in JOBS.items() if "environment" in job] == ["release/release", "release/galaxy"]


def test_a_token_that_may_write_is_with_nothing_that_was_installed_or_restored() -> None:
    for name in WRITING:
        text = "\n".join(step.get("run", "") for step in steps(JOBS[name]))
        assert re.search(r"\b(pip|apt-get|make|npm)\b", text) is None
    assert [name for name, job in JOBS.items() if actions(job, "actions/cache")] == ["test/test"]
    (cache,) = actions(JOBS["test/test"], "actions/cache")
    assert cache["if"] == "github.ref_type == 'branch'"
