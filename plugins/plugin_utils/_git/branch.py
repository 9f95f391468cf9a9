# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A branch that Evenkeel writes commits to. Work trees, indexes and other branches are left alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git

#: Hooks are for what people do; the branch and its objects are on the disk when it is written.
_CONFIGURATION: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsync": "committed,reference",
    "core.filesRefLockTimeout": "5000",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
}


@dataclass(frozen=True)
class OwnBranch:
    """A branch of the repository that a folder is in."""

    #: The variable that names the branch, a name for it, and what is written to it.
    variable: ClassVar[str]
    example: ClassVar[str]
    content: ClassVar[str]
    #: What to do where git does not work.
    remedy: ClassVar[str]

    folder: Path
    name: str

    @property
    def ref(self) -> str:
        """The full name of the branch."""
        return f"refs/heads/{self.name}"

    def require_writable(self) -> None:
        """Refuse a branch that can't be written to, or that somebody has checked out.

        Raises
        ------
        EvenkeelError
            Names the branch and the repository.
        """
        self.ask("var", "GIT_AUTHOR_IDENT")
        self.ask("var", "GIT_COMMITTER_IDENT")
        self._require_name()
        if ref := self._stands_for():
            raise EvenkeelError(f"The branch {self.name} of {self.folder} stands for {ref}", self.another)
        if place := self._work_tree():
            raise EvenkeelError(
                f"The branch {self.name} is checked out in {place}, and {self.content} would change it there",
                self.another,
            )
        self._require_room()

    def tip(self) -> str:
        """Return the branch's last commit; empty where there is no such branch."""
        lines = self.ask("for-each-ref", "--format=%(objectname) %(refname)", self.ref).splitlines()
        return next((commit for commit, ref in map(str.split, lines) if ref == self.ref), "")

    def ask(self, *arguments: str, given: str | bytes = b"") -> str:
        """Return what git prints, in one piece and stripped."""
        return self.ask_bytes(*arguments, given=given).decode(errors="replace").strip()

    def ask_bytes(self, *arguments: str, given: str | bytes = b"") -> bytes:
        """Return what git prints."""
        text = given.encode() if isinstance(given, str) else given
        return git.ask(self.folder, *arguments, given=text, configuration=_CONFIGURATION)

    @property
    def another(self) -> str:
        """The remedy where only another branch helps."""
        return f"Name another by {self.variable}"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say of what git answers what it stopped."""
        try:
            yield
        except git.GitError as error:
            raise EvenkeelError(
                f"The branch {self.name} of {self.folder} can't have {self.content}: {error}", self.remedy
            ) from error

    def _require_name(self) -> None:
        try:
            self.ask("check-ref-format", "--branch", self.name)
            self.ask("check-ref-format", self.ref)
        except git.GitError:
            raise EvenkeelError(
                f"{self.variable} is {self.name!r}, which is no name of a branch", f"Name one such as {self.example}"
            ) from None

    def _stands_for(self) -> str:
        """Return the ref that is written to in the branch's place; empty where it is a branch of its own."""
        try:
            return self.ask("symbolic-ref", "--quiet", self.ref)
        except git.GitError:
            return ""

    def _work_tree(self) -> str:
        """Return the work tree that has the branch checked out; empty where none has."""
        place = ""
        for line in self.ask("worktree", "list", "--porcelain").splitlines():
            if line == f"branch {self.ref}":
                return place
            if line.startswith("worktree "):
                place = line.removeprefix("worktree ")
        return ""

    def _require_room(self) -> None:
        """Refuse a branch that git would not write, such as one below another branch, or one that has a lock."""
        change = f"start\nverify {self.ref} {self.tip()}".rstrip() + "\nprepare\nabort\n"
        try:
            self.ask("update-ref", "--stdin", given=change)
        except git.GitError as error:
            raise EvenkeelError(
                f"The branch {self.name} of {self.folder} can't be written to: {error}",
                f"{self.another}, or repair what git names",
            ) from error
