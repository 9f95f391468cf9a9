# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which commit a folder or a file is from, and who signed it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import git

#: What git says of a signature that is good, also of a key that it does not know to be its owner's.
_GOOD = ("G", "U")


def of_site(folder: Path) -> dict[str, Any]:
    """Return the repository that a folder is in: ``path``, ``commit``, ``branch``, ``tag``, ``dirty`` and ``note``."""
    found: dict[str, Any] = {
        "path": str(folder),
        "commit": None,
        "branch": None,
        "tag": None,
        "dirty": None,
        "note": "",
    }
    commit, why = _git(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return {**found, "note": why}
    changed, _unused = _git(_top(folder) or folder, "status", "--porcelain", "--untracked-files=normal")
    return {
        **found,
        "commit": commit,
        "branch": _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD")[0] or None,
        "tag": _git(folder, "describe", "--tags", "--exact-match")[0] or None,
        "dirty": None if changed is None else bool(changed),
    }


@cache
def of_file(path: Path) -> dict[str, Any]:
    """Return a file's path within its repository, the hash of its content, and the last commit that changed it."""
    top = _top(path.parent)
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        content = None
    commit = changed = None
    if top:
        commit = _git(path.parent, "log", "-1", "--format=%H", "--", path.name)[0] or None
        changed = _git(path.parent, "status", "--porcelain", "--", path.name)[0]
    place = path.resolve()
    return {
        "file": str(place.relative_to(top) if top and place.is_relative_to(top) else path),
        "sha256": content,
        "commit": commit,
        "dirty": None if changed is None else bool(changed),
    }


def time_of(path: Path) -> int | None:
    """Return when the last commit that changed a file was made, in seconds since 1970; None without one."""
    answer = _git(path.parent, "log", "-1", "--format=%ct", "--", path.name)[0]
    return int(answer) if answer else None


def signer_of(path: Path) -> str:
    """Return who signed the last commit that changed a file, as git verifies it; empty without a good signature."""
    answer = _git(path.parent, "log", "-1", "--format=%G? %GS", "--", path.name)[0] or ""
    verdict, _space, signer = answer.partition(" ")
    return signer if verdict in _GOOD else ""


@cache
def _top(folder: Path) -> Path | None:
    found, _unused = _git(folder, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def _git(folder: Path, *asked: str) -> tuple[str | None, str]:
    """Return what git answers about a folder, and why it does not."""
    try:
        return git.ask(folder, *asked).decode(errors="replace").strip(), ""
    except git.GitError as error:
        return None, str(error)
