# SPDX-License-Identifier: GPL-3.0-or-later
"""A git repository to pull from, with people who sign."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Remote:
    """A repository below ``folder``: ``site.git``, which nodes fetch, and where people work."""

    folder: Path

    @property
    def url(self) -> str:
        """What a node fetches."""
        return str(self.folder / "site.git")

    @property
    def work(self) -> Path:
        """Where people work."""
        return self.folder / "work"

    def git(self, *arguments: str, signer: str = "") -> str:
        """Run git where people work, and return what it prints; commits and tags have the signature of ``signer``."""
        signing = {"gpg.format": "ssh", "user.signingKey": str(self.key(signer))} if signer else {}
        options = [word for name, value in signing.items() for word in ("-c", f"{name}={value}")]
        people = {
            f"GIT_{role}_{what}": "ana@lab.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        done = subprocess.run(
            ["git", *options, *arguments],
            check=True,
            cwd=self.work,
            capture_output=True,
            text=True,
            env={**os.environ, **people, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
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
        return "".join(f"{name}@lab.example {self.key(name).with_suffix('.pub').read_text()}" for name in names)

    def commit(self, signer: str = "", *, files: dict[str, str] | None = None) -> str:
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
        self.git("push", "--quiet", "--force", self.url, "HEAD:main")

    def tag(self, name: str, signer: str = "") -> None:
        """Publish a tag of the last commit."""
        self.git(
            "tag", "--force", "--message=Release", *(["--sign"] if signer else ["--annotate"]), name, signer=signer
        )
        self.git("push", "--quiet", "--force", self.url, f"refs/tags/{name}")


def make(folder: Path) -> Remote:
    """Return a repository without a commit."""
    remote = Remote(folder)
    remote.work.mkdir(parents=True)
    for path, options in ((Path(remote.url), ["--bare"]), (remote.work, [])):
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", *options, str(path)], check=True)
    return remote
