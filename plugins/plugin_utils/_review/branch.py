# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Updated locks as commits of a branch, one for each. Work trees, indexes and other branches are left alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import git

#: By its last line, a commit is one of a review.
_MARK = "Evenkeel-Review"
#: Hooks are for what people do; the branch and its objects are on the disk when it is written.
_CONFIGURATION: Mapping[str, str] = {"core.hooksPath": "/dev/null", "core.fsync": "committed,reference"}
_REMEDY = (
    "Review environments in a repository in which git works for you: owned by you or with its safe.directory, "
    "writable, with a commit, user.name and user.email"
)
_ANOTHER = "Name another by review_branch"


@dataclass(frozen=True)
class Update:
    """One updated lock."""

    #: Of the environment.
    name: str
    #: The files that change, and None for one that goes.
    files: Mapping[Path, str | None]
    #: What changes, one line each.
    diff: str


@dataclass(frozen=True)
class Branch:
    """A branch of the repository that a folder is in."""

    folder: Path
    name: str

    def require(self) -> None:
        """Refuse a branch that can't be written to, that somebody works on, or that is not a review's.

        Raises
        ------
        EvenkeelError
            Names the branch and the repository.
        """
        with self._explained():
            self._ask("rev-parse", "--verify", "HEAD^{commit}")
            self._ask("var", "GIT_COMMITTER_IDENT")
            self._require_name()
            if f"branch {self._ref}" in self._ask("worktree", "list", "--porcelain").splitlines():
                raise EvenkeelError(
                    f"The branch {self.name} is checked out in {self.folder}, and a review would change it there",
                    _ANOTHER,
                )
            if theirs := self._of_others():
                raise EvenkeelError(
                    f"The branch {self.name} of {self.folder} has the commit {theirs[:12]}, which is no review's",
                    _ANOTHER,
                )

    def differing(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of these files that are not there as the repository's last commit has them."""
        with self._explained():
            top = self._top()
            return [path for path in paths if not _is_below(path, top) or self._status(path)]

    def write(self, updates: Sequence[Update], date: str) -> str:
        """Make the branch of the last commit and of one for each update, and return its end.

        What an earlier review has left on the branch goes.

        Raises
        ------
        EvenkeelError
            The repository can't be written to, or somebody has changed the branch meanwhile.
        """
        with self._explained():
            before, top = self._tip(), self._top()
            draft = f"refs/evenkeel/review-{os.getpid()}"
            committer, parent = self._ask("var", "GIT_COMMITTER_IDENT"), self._ask("rev-parse", "HEAD")
            commits = b"".join(_commit(draft, committer, update, top, date) for update in updates)
            stream = f"reset {draft}\nfrom {parent}\n\n".encode() + commits + b"done\n"
            self._ask("fast-import", "--quiet", "--done", given=stream)
            try:
                end = self._ask("rev-parse", draft)
                self._ask("update-ref", "-m", "review", self._ref, end, before)
            finally:
                self._ask("update-ref", "-d", draft)
        return end

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    def _require_name(self) -> None:
        try:
            self._ask("check-ref-format", "--branch", self.name)
            self._ask("check-ref-format", self._ref)
        except git.GitError:
            raise EvenkeelError(
                f"review_branch is {self.name!r}, which is no name of a branch", "Name one such as evenkeel-review"
            ) from None

    def _top(self) -> Path:
        return Path(self._ask("rev-parse", "--show-toplevel")).resolve()

    def _status(self, path: Path) -> str:
        return self._ask("status", "--porcelain", "--ignored", "--untracked-files=all", "--", str(path.resolve()))

    def _tip(self) -> str:
        """Return the branch's last commit; zeros, as git writes none, where there is no such branch."""
        lines = self._ask("for-each-ref", "--format=%(objectname) %(refname)", self._ref).splitlines()
        found = next((commit for commit, ref in map(str.split, lines) if ref == self._ref), "")
        return found or "0" * len(self._ask("rev-parse", "HEAD"))

    def _of_others(self) -> str:
        """Return a commit that only this branch has and that no review has made; empty where there is none."""
        if not self._tip().strip("0"):
            return ""
        form = f"--format=%H %(trailers:key={_MARK},valueonly,separator=%x20)"
        others = ("--not", f"--exclude={self.name}", "--branches", "HEAD")
        commits = (line.partition(" ") for line in self._ask("log", form, self._ref, *others).splitlines())
        return next((commit for commit, _space, marked in commits if not marked), "")

    def _ask(self, *arguments: str, given: bytes = b"") -> str:
        answer = git.ask(self.folder, *arguments, given=given, configuration=_CONFIGURATION)
        return answer.decode(errors="replace").strip()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except git.GitError as error:
            raise EvenkeelError(
                f"Updated locks can't be written to the branch {self.name} of {self.folder}: {error}", _REMEDY
            ) from error


def _commit(ref: str, committer: str, update: Update, top: Path, date: str) -> bytes:
    """Return a commit as git fast-import reads it, after the last one of the stream."""
    message = f"Review: lock {update.name} anew\n\n{update.diff}\n{_MARK}: {date}\n"
    lines = [f"commit {ref}\ncommitter {committer}\n".encode(), _data(message)]
    for path, text in update.files.items():
        name = _quoted(str(path.resolve().relative_to(top)))
        lines.append(f"D {name}\n".encode() if text is None else f"M 100644 inline {name}\n".encode() + _data(text))
    return b"".join([*lines, b"\n"])


def _data(text: str) -> bytes:
    content = text.encode()
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _is_below(path: Path, top: Path) -> bool:
    return path.resolve().is_relative_to(top)
