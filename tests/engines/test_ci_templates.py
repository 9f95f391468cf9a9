# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates in engines/ci: GitLab's by gitlab-ci-local, GitHub's step by step in a clean container."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import npm
from lab.nodes import podman
from lab.people import forge
from lab.people.forge import Forge
from tests.engines import ci_site
from tests.engines.ci_site import ENVIRONMENT, HOSTILE, LOCK, Site, workflow
from tests.engines.github_runner import Runner, Step

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return ci_site.made(tmp_path_factory.mktemp("site"), wheels)


@pytest.fixture
def comments() -> Iterator[Forge]:
    """A forge that containers reach."""
    podman.ensure_network()
    with forge.served(str(podman.subnet()[1])) as server:
        yield server


@pytest.fixture
def runner(site: Site, comments: Forge, tmp_path: Path) -> Runner:
    return site.runner(tmp_path, comments)


def shown(steps: list[Step]) -> str:
    return "\n".join(f"{step.name}: {step.status}\n{step.output}" for step in steps)


def test_github_builds_tests_and_comments_a_good_request(site: Site, runner: Runner, comments: Forge) -> None:
    steps = runner.run(workflow(), "locks", "merge-good")
    assert [(step.name, step.status) for step in steps] == [
        ("Get Evenkeel", 0),
        ("Refuse an environment without its lock", 0),
        ("Find what changes", 0),
        ("Comment what changes", 0),
    ], shown(steps)
    assert "+ six 1.17.0 (main)" in runner.summary
    ((asked, body),) = comments.asked
    assert asked == "POST /repos/site/ai/issues/7/comments"
    assert body.endswith(runner.summary)
    assert f"\n`` {HOSTILE.with_name(LOCK.name)} ``\n" in body
    assert not (runner.folder / "work" / "owned").exists()

    steps = runner.run(workflow(), "tests", "merge-good")
    assert [step.status for step in steps] == [0, 0, 0, 0], shown(steps)
    assert f"digest {site.digest}" in steps[2].output
    assert "+ six 1.17.0 (main)" in steps[2].output
    assert "tested in /home/runner/.local/share/evenkeel/generations/ai-dev/" in steps[3].output
    again = runner.run(workflow(), "tests", "merge-good")
    assert [step.status for step in again] == [0, 0, 0, 0], shown(again)
    assert again[2].output.splitlines() == [
        "/home/runner/.local/share/evenkeel/envs/ai-dev unchanged",
        f"digest {site.digest}",
    ]
    assert again[3].output == steps[3].output
    (cached,) = runner.folder.glob("caches/*/1/ai-dev/*/lib/python3.11/site-packages/six.py")
    cached.write_text("raise SystemExit\n")
    healed = runner.run(workflow(), "tests", "merge-good")
    assert [step.status for step in healed] == [0, 0, 0, 0], shown(healed)
    assert "! edited lib/python3.11/site-packages/six.py" in healed[2].output


def test_github_refuses_a_request_without_its_lock(site: Site, runner: Runner, comments: Forge) -> None:
    steps = runner.run(workflow(), "locks", "merge-forgotten")
    assert [step.status for step in steps] == [0, 1, 0, 0], shown(steps)
    assert f"stale   {ENVIRONMENT}" in steps[1].output
    assert f"{LOCK} is older than {ENVIRONMENT}: it asks for something else now. Lock again" in steps[1].output
    assert (runner.summary, comments.asked) == ("No locked package changes.\n", [])


def test_github_says_nothing_of_a_lock_that_can_t_be_read(runner: Runner, comments: Forge) -> None:
    steps = runner.run(workflow(), "locks", "merge-broken")
    assert [(step.name, step.status) for step in steps[1:]] == [
        ("Refuse an environment without its lock", 2),
        ("Find what changes", 2),
    ], shown(steps)
    assert f"unknown {ENVIRONMENT}" in steps[1].output
    assert f"HEAD:{LOCK}: version is 9" in steps[2].output
    assert (runner.summary, comments.asked) == ("", [])


def gitlab(site: Site, branch: str, state: Path, comments: Forge) -> subprocess.CompletedProcess[str]:
    """Run the pipeline of a merge request with gitlab-ci-local, as far as it gets."""
    site.git("checkout", "--quiet", branch)
    program = npm.package("gitlab-ci-local", "4.72.0") / "dist" / "index.js"
    predefined = {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": site.git("rev-parse", "main"),
        "CI_API_V4_URL": comments.url,
    }
    given = {**ci_site.variables(), **predefined, "EVENKEEL_IMAGE": site.image, "EVENKEEL_TOKEN": forge.TOKEN}
    options = ["--container-executable=podman", f"--helper-image={site.image}", "--pull-policy=if-not-present"]
    options += [f"--home={state}", f"--network={podman.NETWORK}", "--color=false", *site.options]
    options += [f"--ignore-predefined-vars={','.join(predefined)}"]
    before = volumes()
    try:
        return subprocess.run(
            ["node", str(program), *options, *(f"--variable={key}={value}" for key, value in given.items())],
            check=False,
            cwd=site.work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **podman.environment()},
        )
    finally:  # it leaves them behind, with their containers
        for volume in volumes() - before:
            podman.run("volume", "rm", "--force", volume)


def volumes() -> set[str]:
    """Return the names of gitlab-ci-local's volumes."""
    return set(podman.run("volume", "ls", "--quiet", "--filter=name=gcl-evenkeel-").split())


def test_gitlab_builds_tests_and_comments_a_good_request(site: Site, comments: Forge, tmp_path: Path) -> None:
    first = gitlab(site, "good", tmp_path, comments)
    assert first.returncode == 0, first.stdout
    assert f"> digest {site.digest}" in first.stdout
    assert f"cache/evenkeel-{os.uname().machine}-{site.digest}' " in first.stdout
    assert "> tested in /builds/site/ai/.evenkeel-ci/.evenkeel/generations/env/" in first.stdout
    ((asked, body),) = comments.asked
    assert asked.endswith("/merge_requests/7/notes")
    assert f"\n`` {HOSTILE.with_name(LOCK.name)} ``\n" in body
    assert "+ six 1.17.0 (main)" in body
    artifact = site.work / ".gitlab-ci-local/artifacts/evenkeel-changes/evenkeel-changes.md"
    assert body.endswith(artifact.read_text())
    again = gitlab(site, "good", tmp_path, comments)
    assert again.returncode == 0, again.stdout
    assert "> /builds/site/ai/.evenkeel-ci/env unchanged" in again.stdout


def test_gitlab_refuses_a_request_without_its_lock(site: Site, comments: Forge, tmp_path: Path) -> None:
    done = gitlab(site, "forgotten", tmp_path, comments)
    assert done.returncode != 0, done.stdout
    assert f"> stale   {ENVIRONMENT}" in done.stdout
    assert " FAIL  evenkeel-locks" in done.stdout
    assert "evenkeel-tests   $" not in done.stdout
    assert comments.asked == []
