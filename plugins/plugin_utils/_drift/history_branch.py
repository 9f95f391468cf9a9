# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Earlier drift reports on a branch of a git repository, whose work trees and index are left alone."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import outline
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git.branch import OwnBranch

#: How often a commit is made again because another run has made one meanwhile.
_TIMES = 20
_FILE = "100644 blob"


@dataclass(frozen=True)
class Branch(OwnBranch):
    """A branch that has reports and nothing else."""

    variable = "drift_history_branch"
    example = "drift-history"
    content = "drift reports"
    remedy = (
        "Name another repository by drift_history_repository, or make it one in which git works for you: owned by you "
        "or with its safe.directory, writable, with user.name and user.email"
    )

    def require(self) -> None:
        """Refuse a branch that can't be written to, or that is somebody's work.

        Raises
        ------
        EvenkeelError
            Names the branch and the repository.
        """
        with self.explained():
            self.require_writable()
            self._files(self.tip())

    def earlier(self) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """Return the reports of the last commit, and why others are left out, as ``history.read_all`` does."""
        with self.explained():
            contents = self._contents(self._files(self.tip()))
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
        with self.explained():
            report = self.ask("hash-object", "-w", "--stdin", given=text)
            for _time in range(_TIMES):
                tip = self.tip()
                files = {one: blob for one, blob in self._files(tip).items() if one not in without} | {name: report}
                listed = "".join(f"{_FILE} {blob}\t{one}\n" for one, blob in sorted(files.items()))
                tree = self.ask("mktree", "--missing", given=listed)
                parents = ("-p", tip) if tip else ()
                commit = self.ask("commit-tree", tree, *parents, given=message)
                try:
                    self.ask("update-ref", "-m", "drift report", self.ref, commit, tip)
                except git.GitError:
                    if self.tip() == tip:
                        raise
                else:
                    return
        raise EvenkeelError(
            f"The branch {self.name} of {self.folder} had another commit each time, {_TIMES} times",
            "Look at which runs write to it, and run again",
        )

    def _files(self, tip: str) -> dict[str, str]:
        """Return the reports of a commit, each with its blob."""
        found = {}
        listed = self.ask_bytes("ls-tree", "-z", "--full-tree", tip).decode(errors="replace") if tip else ""
        for entry in listed.split("\0")[:-1]:
            about, name = entry.split("\t", 1)
            mode, blob = about.rsplit(" ", 1)
            if mode != _FILE or not history.is_ours(name):
                raise EvenkeelError(
                    f"The branch {self.name} of {self.folder} has {name}, so it is no branch of drift reports",
                    "Name a branch of its own by drift_history_branch",
                )
            found[name] = blob
        return found

    def _contents(self, files: Mapping[str, str]) -> dict[str, bytes]:
        """Return what is in files; of one that the repository has lost, nothing."""
        answers = io.BytesIO(
            self.ask_bytes("cat-file", "--batch", given="".join(f"{blob}\n" for blob in files.values()))
        )
        found = {}
        for name in files:
            head = answers.readline().split()
            found[name] = answers.read(int(head[2])) if len(head) == 3 else b""
            if len(head) == 3:
                answers.readline()
        return found
