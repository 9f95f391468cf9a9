# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Updated locks as commits of a branch, one for each. Work trees, indexes and other branches are left alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import git

#: By its last line, with a date and a digest of the commit, a commit is as a review has made it.
_MARK = "Evenkeel-Review"
#: Hooks are for what people do; the branch and its objects are on the disk when it is written.
_CONFIGURATION: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsync": "committed,reference",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
}
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
            self._ask("var", "GIT_AUTHOR_IDENT")
            self._ask("var", "GIT_COMMITTER_IDENT")
            self._require_name()
            if ref := self._stands_for():
                raise EvenkeelError(f"The branch {self.name} of {self.folder} stands for {ref}", _ANOTHER)
            if place := self._work_tree():
                raise EvenkeelError(
                    f"The branch {self.name} is checked out in {place}, and a review would change it there", _ANOTHER
                )
            if theirs := self._of_others():
                raise EvenkeelError(
                    f"The branch {self.name} of {self.folder} has the commit {theirs[:12]}, "
                    "which a person has made or changed",
                    _ANOTHER,
                )
            self._require_room()

    def differing(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of these files that are not there as the repository's last commit has them."""
        with self._explained():
            top = self._top()
            return [path for path in paths if not _is_below(path, top) or self._status(path)]

    def write(self, updates: Sequence[Update], date: str) -> str:
        """Make the branch of the last commit and of one for each of some updates, and return its end.

        What an earlier review has left on the branch goes.

        Raises
        ------
        EvenkeelError
            The repository can't be written to, or somebody has changed the branch meanwhile.
        """
        with self._explained():
            before, top = self._tip(), self._top()
            self.require()
            draft = f"refs/evenkeel/review-{os.getpid()}"
            committer, end = self._ask("var", "GIT_COMMITTER_IDENT"), self._ask("rev-parse", "HEAD")
            commits = b"".join(_commit(draft, committer, update, top) for update in updates)
            stream = f"reset {draft}\nfrom {end}\n\n".encode() + commits + b"done\n"
            self._ask("fast-import", "--quiet", "--done", given=stream)
            try:
                for later, update in zip(reversed(range(len(updates))), updates, strict=True):
                    tree = self._ask("rev-parse", f"{draft}~{later}^{{tree}}")
                    message = _marked(f"Review: lock {update.name} anew\n\n{update.diff}", tree, date)
                    end = self._ask("commit-tree", tree, "-p", end, given=message.encode())
                self._ask("update-ref", "--no-deref", "-m", "review", self._ref, end, before)
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

    def _require_room(self) -> None:
        """Refuse a branch that git would not write, such as one below another branch, or one that has a lock."""
        change = f"start\nupdate {self._ref} {self._ask('rev-parse', 'HEAD')} {self._tip()}\nprepare\nabort\n"
        try:
            self._ask("update-ref", "--stdin", given=change.encode())
        except git.GitError as error:
            raise EvenkeelError(
                f"The branch {self.name} of {self.folder} can't be written to: {error}",
                f"{_ANOTHER}, or repair what git names",
            ) from error

    def _stands_for(self) -> str:
        """Return the ref that is written to in the branch's place; empty where it is a branch of its own."""
        try:
            return self._ask("symbolic-ref", "--quiet", self._ref)
        except git.GitError:
            return ""

    def _work_tree(self) -> str:
        """Return the work tree that has the branch checked out; empty where none has."""
        place = ""
        for line in self._ask("worktree", "list", "--porcelain").splitlines():
            if line == f"branch {self._ref}":
                return place
            if line.startswith("worktree "):
                place = line.removeprefix("worktree ")
        return ""

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
        """Return a commit that only this branch has and that is not as a review made it; empty where there is none."""
        if not self._tip().strip("0"):
            return ""
        others = ("--not", f"--exclude={self.name}", "--branches", "HEAD")
        listed = self._ask("log", "-z", "--no-show-signature", "--format=%H %T %B", self._ref, *others)
        commits = (entry.split(" ", 2) for entry in listed.split("\0") if entry)
        return next((commit for commit, tree, message in commits if not _is_a_reviews(tree, message)), "")

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


def _marked(text: str, tree: str, date: str) -> str:
    return f"{text}\n{_MARK}: {date} {_digest(text, tree)}\n"


def _is_a_reviews(tree: str, message: str) -> bool:
    text, _mark, written = message.rpartition(f"\n{_MARK}: ")
    return written.split()[1:] == [_digest(text, tree)]


def _digest(text: str, tree: str) -> str:
    return hashlib.sha256(f"{tree}\n{text.strip()}".encode()).hexdigest()[:40]


def _commit(ref: str, committer: str, update: Update, top: Path) -> bytes:
    """Return a commit as git fast-import reads it, after the last one of the stream. It lacks a message."""
    lines = [f"commit {ref}\ncommitter {committer}\n".encode(), _data("")]
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
