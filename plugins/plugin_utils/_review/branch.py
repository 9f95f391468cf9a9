# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Updated locks as commits of a branch, one for each. Work trees, indexes and other branches are left alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git.branch import OwnBranch

#: By its last line, with a date and a digest of the commit, a commit is as a review has made it.
_MARK = "Evenkeel-Review"


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
class Branch(OwnBranch):
    """A branch that has the last commit and updated locks."""

    variable = "review_branch"
    example = "evenkeel-review"
    content = "updated locks"
    remedy = (
        "Review environments in a repository in which git works for you: owned by you or with its safe.directory, "
        "writable, with a commit, user.name and user.email"
    )

    def require(self) -> None:
        """Refuse a branch that can't be written to, that somebody works on, or that is not a review's.

        Raises
        ------
        EvenkeelError
            Names the branch and the repository.
        """
        with self.explained():
            self.ask("rev-parse", "--verify", "HEAD^{commit}")
            self.require_writable()
            if theirs := self._of_others():
                raise EvenkeelError(
                    f"The branch {self.name} of {self.folder} has the commit {theirs[:12]}, "
                    "which a person has made or changed",
                    self.another,
                )

    def differing(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of these files that are not there as the repository's last commit has them."""
        with self.explained():
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
        with self.explained():
            before, top = self.tip() or self._none(), self._top()
            self.require()
            draft = f"refs/evenkeel/review-{os.getpid()}"
            committer, end = self.ask("var", "GIT_COMMITTER_IDENT"), self.ask("rev-parse", "HEAD")
            commits = b"".join(_commit(draft, committer, update, top) for update in updates)
            stream = f"reset {draft}\nfrom {end}\n\n".encode() + commits + b"done\n"
            self.ask("fast-import", "--quiet", "--done", given=stream)
            try:
                for later, update in zip(reversed(range(len(updates))), updates, strict=True):
                    tree = self.ask("rev-parse", f"{draft}~{later}^{{tree}}")
                    message = _marked(f"Review: lock {update.name} anew\n\n{update.diff}", tree, date)
                    end = self.ask("commit-tree", tree, "-p", end, given=message)
                self.ask("update-ref", "--no-deref", "-m", "review", self.ref, end, before)
            finally:
                self.ask("update-ref", "-d", draft)
        return end

    def _none(self) -> str:
        """Return the commit that git names where there must be none."""
        return "0" * len(self.ask("rev-parse", "HEAD"))

    def _top(self) -> Path:
        return Path(self.ask("rev-parse", "--show-toplevel")).resolve()

    def _status(self, path: Path) -> str:
        return self.ask("status", "--porcelain", "--ignored", "--untracked-files=all", "--", str(path.resolve()))

    def _of_others(self) -> str:
        """Return a commit that only this branch has and that is not as a review made it; empty where there is none."""
        if not self.tip():
            return ""
        others = ("--not", f"--exclude={self.name}", "--branches", "HEAD")
        listed = self.ask("log", "-z", "--no-show-signature", "--format=%H %T %B", self.ref, *others)
        commits = (entry.split(" ", 2) for entry in listed.split("\0") if entry)
        return next((commit for commit, tree, message in commits if not _is_a_reviews(tree, message)), "")


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
