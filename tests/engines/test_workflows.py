# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflows of the project's own forge: a release and the reality check's issue, step by step in a container."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.images import base_image
from lab.nodes import podman
from tests.engines import conftest, galaxy_api
from tests.engines.actionlint import lint
from tests.engines.ci_site import TEMPLATES, TOOLS, committed, git
from tests.engines.conftest import ROOT
from tests.engines.galaxy_api import Galaxy
from tests.engines.github_runner import Runner, Step

pytestmark = pytest.mark.long

WORKFLOWS = ROOT / ".github" / "workflows"
VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
TAG = f"v{VERSION}"
GH = """#!/bin/sh
printf '%s\\n' "$*" >>/runner/temp/asked
case "$*" in
"issue list"*) echo '[{"number": 7}]' ;;
*--body-file=-*) cat >/runner/temp/body ;;
esac
"""


@pytest.mark.parametrize(
    "path", [*WORKFLOWS.glob("*.yml"), TEMPLATES / "github-workflow.yml"], ids=lambda path: path.name
)
def test_actionlint_finds_nothing(path: Path, tmp_path: Path) -> None:
    assert lint(path) == []
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(re.sub(r"runs-on: .*", r"runs-on: ${{ gone.arch }}", path.read_text(), count=1))
    assert "gone" in lint(wrong)[0]["message"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose branch ``before`` is not ready for a release, and whose tag is."""
    folder = tmp_path_factory.mktemp("clone")
    folder.chmod(0o755)
    git(folder, "clone", "--quiet", ROOT.as_uri(), ".")
    git(folder, "branch", "before")
    if VERSION not in yaml.safe_load((folder / "changelogs" / "changelog.yaml").read_text())["releases"]:
        (folder / "changelogs" / "fragments" / "summary.yml").write_text("---\nrelease_summary: Rehearsed.\n")
        conftest.run("antsibull-changelog", "release", cwd=folder)
        committed(folder)
    git(folder, "tag", TAG)
    return folder


@pytest.fixture
def galaxy() -> Iterator[Galaxy]:
    podman.ensure_network()
    with galaxy_api.served(str(podman.subnet()[1])) as server:
        yield server


@pytest.fixture
def runner(clone: Path, galaxy: Galaxy, tmp_path: Path) -> Runner:
    tmp_path.chmod(0o755)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = ["setuptools>=77", *project["dependencies"], *project["optional-dependencies"]["release"]]
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    volumes = [*conftest.offline(conftest.downloaded("release", wanted)), f"{tmp_path / 'gh'}:/usr/local/bin/gh:ro"]
    known = {
        "github.token": "secret",
        "github.repository": "evenkeel/evenkeel",
        "github.server_url": "https://forge.example",
        "github.run_id": "7",
        "secrets.GALAXY_TOKEN": "a token: of 'Galaxy'",
    }
    variables = {"GITHUB_REF_NAME": TAG, "ANSIBLE_GALAXY_SERVER": galaxy.url}
    options = [f"--volume={volume}" for volume in volumes]
    return Runner(tmp_path, base_image.build(TOOLS), options, clone, variables, known)


def workflow(name: str) -> Mapping[str, Any]:
    found: dict[str, Any] = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
    return found


def shown(steps: list[Step]) -> str:
    return "\n".join(f"{step.name}: {step.status}\n{step.output}" for step in steps)


def asked(runner: Runner) -> list[str]:
    path = runner.folder / "temp" / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_a_tag_becomes_an_archive_a_release_and_a_collection_of_galaxy(runner: Runner, galaxy: Galaxy) -> None:
    steps = runner.run(workflow("release"), "archive", TAG)
    assert [step.status for step in steps] == [0, 0], shown(steps)
    dist = runner.artifact("dist")
    archive = dist / f"evenkeel-gpu-{VERSION}.tar.gz"
    assert {path.name for path in dist.iterdir()} == {archive.name, "SHA256SUMS", "notes.md"}
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, check=True)
    assert (dist / "notes.md").read_text().count("## Release Summary") == 1
    with tarfile.open(archive) as files:
        manifest = files.extractfile("MANIFEST.json")
        assert manifest
        assert json.load(manifest)["collection_info"]["version"] == VERSION
        tops = {name.partition("/")[0] for name in files.getnames()}
    assert tops.isdisjoint({".github", "build", "maintenance", "evenkeel.egg-info"})

    steps = runner.run(workflow("release"), "release", TAG)
    assert [step.status for step in steps] == [0], shown(steps)
    options = f"--verify-tag --title {TAG} --notes-file notes.md"
    assert asked(runner) == [f"release create {TAG} {options} {archive.name} SHA256SUMS"]

    steps = runner.run(workflow("release"), "galaxy", TAG)
    assert [step.status for step in steps] == [0, 0], shown(steps)
    ((authorization, body),) = galaxy.sent
    assert authorization == "Token a token: of 'Galaxy'"
    assert hashlib.sha256(archive.read_bytes()).hexdigest().encode() in body
    assert runner.summary == ""
    assert "of 'Galaxy'" not in shown(steps)

    runner.known = {**runner.known, "secrets.GALAXY_TOKEN": ""}
    steps = runner.run(workflow("release"), "galaxy", TAG)
    assert [step.status for step in steps] == [0, 0], shown(steps)
    assert runner.summary == "Not on Galaxy: the environment galaxy has no secret GALAXY_TOKEN.\n"
    assert len(galaxy.sent) == 1

    archive.write_bytes(archive.read_bytes() + b"\0")
    steps = runner.run(workflow("release"), "release", TAG)
    assert [step.status for step in steps] == [1], shown(steps)
    assert asked(runner) == []


@pytest.mark.parametrize(
    ("tag", "revision", "message"),
    [
        ("v99.0.0", TAG, f"The tag v99.0.0 is not the version {VERSION} of galaxy.yml."),
        ("v1", TAG, f"The tag v1 is not of the form vX.Y.Z. Tag {TAG}."),
        (TAG, "before", f"The changelog has no release {VERSION}. Run antsibull-changelog release"),
    ],
)
def test_what_is_not_ready_makes_nothing(runner: Runner, tag: str, revision: str, message: str) -> None:
    runner.variables = {**runner.variables, "GITHUB_REF_NAME": tag}
    steps = runner.run(workflow("release"), "archive", revision)
    assert [step.status for step in steps] == [0, 1], shown(steps)
    assert message in steps[1].output
    assert not runner.artifact("dist").exists()


def test_differences_become_the_text_of_one_issue(runner: Runner) -> None:
    claim = {"id": "data/made-up", "part": "data", "subject": "keys", "text": "Made up.", "state": "differs"}
    claim |= {"on": "site.example", "detail": "@all `x`", "when": "", "version": VERSION, "seconds": 1}
    report = {"format": 1, "world": "real", "created": "2026-11-30", "version": VERSION, "claims": [claim]}
    for part in ("data", "conda"):
        runner.artifact(f"reality-{part}").mkdir(parents=True)
        (runner.artifact(f"reality-{part}") / "reality.json").write_text(json.dumps(report))
    steps = runner.run(workflow("reality"), "issue", TAG)
    assert [step.status for step in steps] == [0], shown(steps)
    assert "- ` Made up. ` on ` site.example `: `` @all `x` ``\n" in runner.summary
    body = (runner.folder / "temp" / "body").read_text()
    run = "https://forge.example/evenkeel/evenkeel/actions/runs/7"
    assert body == f"{runner.summary}\nThe run, with the whole report: {run}\n"
    assert asked(runner)[-1] == "issue edit 7 --body-file=-"

    shutil.rmtree(runner.folder / "artifacts")
    steps = runner.run(workflow("reality"), "issue", TAG)
    assert [step.status for step in steps] == [1], shown(steps)
    assert asked(runner) == []
