# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The locks of a folder as a revision of its Git repository has them, or as they are now."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import LOCK

#: What stands for the files as they are.
NOW = ""
_ALL = ("--cached", "--others", "--exclude-standard")


def locks(folder: Path, revision: str, paths: Iterable[str]) -> dict[str, Lock | EvenkeelError]:
    """Return by their paths below a folder the locks that a revision has, and why those can't be read that can't.

    Parameters
    ----------
    folder
        In the repository.
    revision
        As git knows it, or ``NOW``.
    paths
        What is looked through, as git takes paths.

    Raises
    ------
    EvenkeelError
        There is no repository, or no such revision in it.
    """
    below = [os.path.relpath(folder / one, folder) for one in paths]
    try:
        if revision == NOW:
            listed = git.ask(folder, "--literal-pathspecs", "ls-files", "-z", *_ALL, "--", *below)
            return {name: _read(folder / name, name) for name in _locks_of(listed) if (folder / name).exists()}
        commit = git.ask(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").decode().strip()
        names = _locks_of(git.ask(folder, "ls-tree", "-r", "-z", "--name-only", commit, "--", *below))
        texts = {name: git.ask(folder, "cat-file", "blob", f"{commit}:./{name}") for name in names}
    except git.GitError as error:
        raise EvenkeelError(
            f"The locks of {revision or 'the work tree'} can't be read: {error}", _way_out(str(error))
        ) from error
    with work_folder.made("locks") as place:
        return {
            name: _kept(Path(place) / str(number), name, revision, texts[name]) for number, name in enumerate(texts)
        }


def _way_out(said: str) -> str:
    if "dubious ownership" in said:
        return "Make that folder yours, or trust its owner: git config --global --add safe.directory FOLDER"
    if "not a git repository" in said:
        return "Go to a folder of the repository, or compare files: --from FILE --to FILE"
    return "Name a revision that the clone has. To a shallow one, git fetch --depth=1 origin COMMIT adds a commit"


def _locks_of(listed: bytes) -> list[str]:
    names = os.fsdecode(listed).split("\0")
    return sorted(name for name in set(names) if f".{os.path.basename(name)}".endswith(f".{LOCK}"))


def _kept(place: Path, name: str, revision: str, text: bytes) -> Lock | EvenkeelError:
    path = place / os.path.basename(name)
    place.mkdir()
    path.write_bytes(text)
    return _read(path, f"{revision}:{name}")


def _read(path: Path, called: str) -> Lock | EvenkeelError:
    try:
        return conda_lock.read(path)
    except EvenkeelError as error:
        return EvenkeelError(error.what.replace(str(path), called), error.remedy)
