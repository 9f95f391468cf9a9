# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's git repository, with people who sign: on this machine, or published on a node.

Usage: python -m lab.git_site GROUP, publishes a first commit on the group's first node.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from lab import paths
from lab.images import image
from lab.nodes import nodes, ssh
from lab.upstream.debian import debian_archive

ROOT = Path(__file__).parents[1]
#: Where a node has it, for its users and for git over HTTP.
REPOSITORY, PORT = "/srv/git/site.git", 8000
#: What a site needs of a checkout of this project.
_PARTS = (
    "ansible.cfg",
    "collections",
    "galaxy.yml",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
    "site.yml",
)


@dataclass(frozen=True)
class GitSite:
    """A repository that nodes fetch from ``url``, and the folder where people work on it."""

    folder: Path
    url: str

    @property
    def work(self) -> Path:
        """Where people work."""
        return self.folder / "work"

    def git(self, *arguments: str, signer: str = "") -> str:
        """Run git where people work, and return what it prints; commits and tags have the signature of ``signer``."""
        signing = {"gpg.format": "ssh", "user.signingKey": str(self.key(signer))} if signer else {}
        options = [word for name, value in signing.items() for word in ("-c", f"{name}={value}")]
        people = {
            f"GIT_{who}_{what}": "ana@site.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        reached = ["ssh", *shlex.split(" ".join(ssh.options())), "-i", str(ssh.KEY)]
        own = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_SSH_COMMAND": shlex.join(reached)}
        done = subprocess.run(
            ["git", *options, *arguments],
            check=True,
            cwd=self.work,
            capture_output=True,
            text=True,
            env={**os.environ, **people, **own},
        )
        return done.stdout.strip()

    def key(self, name: str) -> Path:
        """Return a person's private key, which is made at first use."""
        path = self.folder / f"key-{name}"
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
        return path

    def allowed(self, *names: str) -> str:
        """Return a file of allowed signers."""
        return "".join(f"{name}@site.example {self.key(name).with_suffix('.pub').read_text()}" for name in names)

    def commit(self, signer: str = "", *, files: Mapping[str, str] | None = None) -> str:
        """Commit files, push the commit, and return it."""
        for name, text in (files or {"site.yml": "[]\n"}).items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text)
        self.git("add", "--all")
        sign = ["--gpg-sign"] if signer else ["--no-gpg-sign"]
        self.git("commit", "--quiet", "--allow-empty", "--message=Change", *sign, signer=signer)
        self.push()
        return self.git("rev-parse", "HEAD")

    def push(self) -> None:
        """Publish the branch as it is."""
        self.git("push", "--quiet", "--force", self.url, "HEAD:refs/heads/main")

    def tag(self, name: str, signer: str = "") -> None:
        """Publish a tag of the last commit."""
        sign = ["--sign"] if signer else ["--annotate"]
        self.git("tag", "--force", "--message=Release", *sign, name, signer=signer)
        self.git("push", "--quiet", "--force", self.url, f"refs/tags/{name}")


def make(folder: Path, url: str = "") -> GitSite:
    """Return a repository without a commit, beside the folder where people work unless it has another URL."""
    site = GitSite(folder, url or str(folder / "site.git"))
    site.work.mkdir(parents=True)
    for path, options in ((Path(site.url), ["--bare"]), (site.work, [])):
        if path == site.work or not url:
            subprocess.run(["git", "init", "--quiet", "--initial-branch=main", *options, str(path)], check=True)
    return site


def of_group(group: str) -> GitSite:
    """Return the repository that the first node of a group has."""
    server = nodes.find(group)[0]
    return GitSite(paths.STATE / "git" / group, f"ssh://{ssh.USER}@{server.address}{REPOSITORY}")


def copy_project(target: Path) -> None:
    """Copy what a site needs of this project: the collection, and the playbooks."""
    for name in _PARTS:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, target / name, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            shutil.copy(source, target / name, follow_symlinks=False)


def debian_releases(group: str) -> list[str]:
    """Return the releases of Debian that a group's nodes have git from; others than Debian's own have Debian 12's."""
    return sorted({node.release if node.release in image.SUITES else "debian12" for node in nodes.find(group)})


def publish(group: str) -> GitSite:
    """Publish a first commit of a fresh site on the first node of a group, which has git; signed by Ana."""
    with Progress() as progress:
        for release in debian_releases(group):
            debian_archive.build(release, [debian_archive.GIT], progress)
    site = of_group(group)
    shutil.rmtree(site.folder, ignore_errors=True)
    site = make(site.folder, site.url)
    copy_project(site.work)
    (site.folder / "allowed_signers").write_text(site.allowed("ana"))
    return site


if __name__ == "__main__":
    publish(sys.argv[1])
