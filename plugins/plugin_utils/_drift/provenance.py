# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which commit and which files declare what the nodes of a run are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import git
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside

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


def of_environments(sources: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return of each environment by its name the file that declares it; of one without a file nothing.

    Parameters
    ----------
    sources
        As the filter ``environment_sources`` returns them.
    """
    return {str(source["name"]): of_file(path) for source in sources if (path := declaring(source))}


def declaring(source: Mapping[str, Any]) -> Path | None:
    """Return the file whose content says which packages an environment has: its lock where there is one."""
    for option in ("lock", "explicit"):
        if source.get(option):
            return Path(str(source[option]))
    if not source.get("environment"):
        return None
    written = Path(str(source["environment"]))
    lock = lock_beside(written)
    return lock if lock.exists() else written


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
