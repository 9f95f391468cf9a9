# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The site's repository at its last commit: an archive of its files, and a bare copy that any web server can serve."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git

_MOST_NAMED = 5
#: Of the branch, where no branch is checked out.
_BRANCH = "main"
#: What clients without a program on the server ask for.
_SERVED = re.compile(r"HEAD|packed-refs|info/refs|objects/info/packs|objects/pack/pack-[0-9a-f]+\.(pack|idx)")
#: Each fetch adds a pack, and former packs stay as they are: an incremental bundle has the new one alone.
_ADDED = {"fetch.unpackLimit": "1", "transfer.unpackLimit": "1", "gc.auto": "0", "core.hooksPath": "/dev/null"}


@dataclass(frozen=True)
class Repository:
    """The repository that a folder is in.

    Parameters
    ----------
    folder
        The folder, such as that of the environments.
    """

    folder: Path

    def commit(self) -> str:
        """Return the last commit.

        Raises
        ------
        EvenkeelError
            There is none, or what is there differs from it: a bundle would hold something else than the site has.
        """
        with self._explained():
            found = self._ask("rev-parse", "--verify", "HEAD^{commit}")
            changed = self._ask("status", "--porcelain", "--untracked-files=no").splitlines()
            changed += self._ask("status", "--porcelain", "--", str(self.folder)).splitlines()
        if changed:
            names = sorted({line[3:] for line in changed})
            more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
            raise EvenkeelError(
                f"The repository of {self.folder} has changes that are not committed: "
                + ", ".join([*names[:_MOST_NAMED], *more]),
                "Commit them: a bundle has what is committed",
            )
        return found

    def top(self) -> Path:
        """Return the folder of its work tree."""
        with self._explained():
            return Path(self._ask("rev-parse", "--show-toplevel"))

    def has(self, folder: Path) -> bool:
        """Whether commits have the files of a folder."""
        top = self.top().resolve()
        if not folder.resolve().is_relative_to(top):
            return False
        with self._explained():
            return bool(git.ask(top, "ls-files", "--", str(folder.resolve().relative_to(top))))

    def archive(self, commit: str) -> bytes:
        """Return a commit's files as a ``.tar.gz``, the same bytes each time."""
        with self._explained():
            return packed(git.ask(self.top(), "archive", "--format=tar", commit))

    def publish(self, bare: Path) -> list[Path]:
        """Bring a bare copy up to date with the branch and the tags; return its files to be served, relative to it."""
        with self._explained():
            branch = self._branch()
            if not bare.is_dir():
                git.ask(self.folder, "init", "--quiet", "--bare", "--template=", str(bare))
            refs = (f"+HEAD:refs/heads/{branch}", "+refs/tags/*:refs/tags/*")
            options = ("--quiet", "--force", "--prune", "--no-write-fetch-head", "--no-auto-maintenance", "--no-tags")
            git.ask(bare, "fetch", *options, "--", str(self.top()), *refs, configuration=_ADDED)
            git.ask(bare, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
            git.ask(bare, "pack-refs", "--all")
            git.ask(bare, "update-server-info")
        served = (path.relative_to(bare) for path in bare.rglob("*") if path.is_file())
        return sorted(path for path in served if _SERVED.fullmatch(path.as_posix()))

    def _branch(self) -> str:
        try:
            return self._ask("symbolic-ref", "--quiet", "--short", "HEAD")
        except git.GitError:
            return _BRANCH

    def _ask(self, *arguments: str) -> str:
        return git.ask(self.folder, *arguments).decode(errors="replace").rstrip()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except git.GitError as error:
            raise EvenkeelError(
                f"The site's repository, which {self.folder} is to be in, has no answer: {error}",
                "Keep the site in a git repository with a commit, in which git works for you, and name a folder of it "
                "by bundle_repository",
            ) from error


def packed(tar: bytes) -> bytes:
    """Return a tar as a ``.tar.gz``; the same one always gives the same bytes."""
    return gzip.compress(tar, mtime=0)
