# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's repository with requests, and what containers of CI need to work on it without the internet."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import digest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from rich.progress import Progress

from lab.images import base_image
from lab.people import forge
from lab.people.forge import Forge
from lab.upstream import mirror
from tests.engines import conftest, site_locks
from tests.engines.github_runner import Runner

TEMPLATES = conftest.ROOT / "engines" / "ci"
#: What of this project jobs fetch.
PARTS = ("bin", "collections", "engines", "galaxy.yml", "plugins", "requirements-env.txt")
TOOLS = ("git", "python3-venv", "rsync")
ENVIRONMENT = Path("environments/ai-dev/environment.yml")
LOCK = ENVIRONMENT.with_name("conda-lock.yml")
#: A request brings files whose name wants to be a command, and markup; and one that wants to be Python's module venv.
HOSTILE = Path("environments/$(touch owned) `touch owned`; touch owned <img src=x>", ENVIRONMENT.name)
#: The mirror has no pytest, so the project brings what the last step starts.
TESTS = """import os, sys, humanize, six
print("tested in", sys.prefix, "with", os.environ["OMP_NUM_THREADS"])
"""


@dataclass(frozen=True)
class Site:
    """A repository with requests to its main branch: a good one, one that forgets the lock, and one that breaks it."""

    work: Path
    #: Of jobs' containers: the mirror, wheels without a network, Evenkeel.
    options: list[str]
    image: str
    digest: str

    def git(self, *arguments: str) -> str:
        """Run git where people work."""
        return git(self.work, *arguments)

    @property
    def lock(self) -> Path:
        """The lock of the branch that is checked out."""
        return self.work / LOCK

    def runner(self, folder: Path, comments: Forge) -> Runner:
        """Return a runner for jobs of a pull request."""
        folder.chmod(0o755)
        known = {
            "!cancelled() && github.event_name == 'pull_request'": True,
            "github.token": forge.TOKEN,
            "github.event.pull_request.number": "7",
            "runner.arch": "X64",
        }
        of_forge = {"GITHUB_API_URL": comments.url, "GITHUB_REPOSITORY": "site/ai"}
        return Runner(folder, self.image, self.options, self.work, of_forge, known)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a repository, and return what it prints."""
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@site.example")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(folder: Path) -> None:
    """Commit all that is in a folder."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Change")


def made(folder: Path, wheels: Path) -> Site:
    """Make one, with the mirror running."""
    with Progress() as progress:
        mirror.up(progress)
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
    git(work, "remote", "add", "origin", "git@gitlab.example:site/ai.git")
    git(work, "checkout", "--quiet", "-b", "forgotten")
    site_locks.written(work / ENVIRONMENT, "python=3.11", "six")
    committed(work)
    git(work, "checkout", "--quiet", "-b", "good")
    lock = conda_lock.read(site_locks.locked(work / ENVIRONMENT))
    shutil.copytree(work / ENVIRONMENT.parent, work / HOSTILE.parent)
    (work / "venv.py").write_text('open("owned", "w").close()\n')
    committed(work)
    git(work, "checkout", "--quiet", "-b", "broken")
    (work / LOCK).write_text("version: 9\n")
    committed(work)
    for branch in ("good", "forgotten", "broken"):
        git(work, "checkout", "--quiet", "-b", f"merge-{branch}", "main")
        git(work, "merge", "--quiet", "--no-ff", "--message=Merge", branch)

    settings = ["[safe]", "  directory = *", '[url "/srv/work"]', "  insteadOf = git@gitlab.example:site/ai.git", ""]
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


def variables() -> dict[str, str]:
    """Return what jobs get as the variables of their template, to work without the internet."""
    return {"EVENKEEL_URL": "/srv/evenkeel", "UV_DEFAULT_INDEX": f"{mirror.url()}/pypi/simple/"}


def workflow() -> Mapping[str, Any]:
    """Return GitHub's workflow with what its user changes."""
    found: dict[str, Any] = yaml.safe_load((TEMPLATES / "github-workflow.yml").read_text())
    return {**found, "env": {**found["env"], **variables()}}
