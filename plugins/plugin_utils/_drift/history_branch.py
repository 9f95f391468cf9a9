# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Earlier drift reports on a branch of a git repository, whose work trees and index are left alone."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import git, history
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import outline

#: How often a commit is made again because another run has made one meanwhile.
_TIMES = 20
#: Hooks are for what people do; the branch and its objects are on the disk when a commit is done.
_CONFIGURATION: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsync": "committed,reference",
    "core.filesRefLockTimeout": "5000",
}
_FILE = "100644 blob"
_REMEDY = (
    "Name another by drift_history_repository, or make it one in which git works for you: owned by you or with its "
    "safe.directory, writable, with user.name and user.email"
)


@dataclass(frozen=True)
class Branch:
    """A branch that has reports and nothing else."""

    repository: Path
    name: str

    def require(self) -> None:
        """Refuse a branch that can't be written to, or that is somebody's work.

        Raises
        ------
        EvenkeelError
            Names the branch and the repository.
        """
        with self._explained():
            work_trees = self._git("worktree", "list", "--porcelain").decode(errors="replace").splitlines()
            self._require_name()
            if f"branch {self._ref}" in work_trees:
                raise EvenkeelError(
                    f"The branch {self.name} is checked out in {self.repository}, and reports would change it there",
                    "Name a branch of its own by drift_history_branch",
                )
            self._require_place()
            self._git("var", "GIT_COMMITTER_IDENT")
            self._files(self._tip())

    def earlier(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Return the reports of the last commit, and why others are left out, as ``history.read_all`` does."""
        with self._explained():
            contents = self._contents(self._files(self._tip()))
        return history.read_all(
            contents,
            lambda name: outline(contents[name], f"{name} of the branch {self.name}"),
            "Delete the file from the branch",
        )

    def add(self, name: str, text: str, *, without: Collection[str], message: str) -> None:
        """Commit a report, without some of the earlier ones. What another run commits meanwhile stays.

        Raises
        ------
        EvenkeelError
            The repository can't be written to.
        """
        with self._explained():
            report = self._written("hash-object", "-w", "--stdin", given=text)
            for _time in range(_TIMES):
                tip = self._tip()
                files = {one: blob for one, blob in self._files(tip).items() if one not in without} | {name: report}
                listed = "".join(f"{_FILE} {blob}\t{one}\n" for one, blob in sorted(files.items()))
                tree = self._written("mktree", "--missing", given=listed)
                parents = ("-p", tip) if tip else ()
                commit = self._written("commit-tree", tree, *parents, given=message)
                try:
                    self._git("update-ref", "-m", "drift report", self._ref, commit, tip)
                except git.GitError:
                    if self._tip() == tip:
                        raise
                else:
                    return
        raise EvenkeelError(
            f"The branch {self.name} of {self.repository} had another commit each time, {_TIMES} times",
            "Look at which runs write to it, and run again",
        )

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    def _require_name(self) -> None:
        try:
            self._git("check-ref-format", self._ref)
        except git.GitError:
            raise EvenkeelError(
                f"drift_history_branch is {self.name!r}, which is no name of a branch", "Name one such as drift-history"
            ) from None

    def _require_place(self) -> None:
        """Refuse a name beside which git has no room: a branch is a file of its name, or a folder of others."""
        parts = self.name.split("/")
        above = [f"refs/heads/{'/'.join(parts[:number])}" for number in range(1, len(parts))]
        found = self._git("for-each-ref", "--format=%(refname)", *above, self._ref).decode().splitlines()
        for ref in found:
            if ref in above or ref.startswith(f"{self._ref}/"):
                raise EvenkeelError(
                    f"The branch {self.name} can't be beside {ref.removeprefix('refs/heads/')} of {self.repository}",
                    "Name another by drift_history_branch",
                )

    def _tip(self) -> str:
        """Return the last commit; empty where there is no such branch."""
        lines = self._git("for-each-ref", "--format=%(objectname) %(refname)", self._ref).decode().splitlines()
        return next((commit for commit, ref in map(str.split, lines) if ref == self._ref), "")

    def _files(self, tip: str) -> dict[str, str]:
        """Return the reports of a commit, each with its blob."""
        found = {}
        listed = self._git("ls-tree", "-z", "--full-tree", tip).decode(errors="replace") if tip else ""
        for entry in listed.split("\0")[:-1]:
            about, name = entry.split("\t", 1)
            mode, blob = about.rsplit(" ", 1)
            if mode != _FILE or not history.is_ours(name):
                raise EvenkeelError(
                    f"The branch {self.name} of {self.repository} has {name}, so it is no branch of drift reports",
                    "Name a branch of its own by drift_history_branch",
                )
            found[name] = blob
        return found

    def _contents(self, files: Mapping[str, str]) -> dict[str, bytes]:
        """Return what is in files; of one that the repository has lost, nothing."""
        answers = io.BytesIO(self._git("cat-file", "--batch", given="".join(f"{blob}\n" for blob in files.values())))
        found = {}
        for name in files:
            head = answers.readline().split()
            found[name] = answers.read(int(head[2])) if len(head) == 3 else b""
            if len(head) == 3:
                answers.readline()
        return found

    def _written(self, *arguments: str, given: str) -> str:
        """Return the name of an object that git makes of a text."""
        return self._git(*arguments, given=given).decode().strip()

    def _git(self, *arguments: str, given: str = "") -> bytes:
        return git.ask(self.repository, *arguments, given=given.encode(), configuration=_CONFIGURATION)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except git.GitError as error:
            raise EvenkeelError(
                f"The drift report can't be kept on the branch {self.name} of {self.repository}: {error}", _REMEDY
            ) from error
