# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The files that a node's conda reads, for everybody and for each user: what is wrong with them, and which one wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc import file as condarc
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import require_one_spelling
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import Plan
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.precedence import File, overridden


def files_for(found: Sequence[Mapping[str, Any]], user: str = "") -> tuple[list[File], dict[str, str]]:
    """Return the search path of a user, the lowest precedence first, and what is wrong with files of it.

    Parameters
    ----------
    found
        What the node has.
    user
        Whose; empty for what is the same for everybody.
    """
    order = ("system", "distribution", "user", "environment")
    mine = [file for file in found if file["exists"] and file["user"] in ("", user)]
    files, problems = [], {}
    for file in sorted(mine, key=lambda one: order.index(one["scope"])):
        settings, problem = _understood(file["path"], file["text"], file["problem"])
        if problem:
            problems[file["path"]] = problem
        files.append(File(file["path"], settings))
    return files, problems


def problems_of_users(found: Mapping[str, Any], target: str = "") -> dict[str, list[str]]:
    """Return what is wrong with what users own, by user.

    Parameters
    ----------
    found
        What the node has.
    target
        A file that is not considered, since it is what is written.
    """
    problems = {user: list(texts) for user, texts in found["problems"].items()}
    for file in found["files"]:
        if file["user"] and file["exists"] and file["path"] != target:
            problem = _understood(file["path"], file["text"], file["problem"])[1]
            if problem:
                named = problem if problem.startswith(file["path"]) else f"{file['path']}: {problem}"
                problems.setdefault(file["user"], []).append(f"conda cannot use {named}")
    return problems


@lru_cache(maxsize=4096)
def _understood(path: str, text: str, problem: str) -> tuple[Mapping[str, condarc.Setting], str]:
    """Return what a file sets, and what is wrong with it; one of the system's is looked at for every user."""
    if problem:
        return {}, masked(problem)
    try:
        settings = condarc.parse(text, path)
        require_one_spelling(settings, path)
    except EvenkeelError as error:
        return {}, masked(error.what)
    return settings, ""


def defeats(found: Sequence[Mapping[str, Any]], planned: Plan, users: Sequence[str]) -> list[dict[str, Any]]:
    """Return who sets the planned file's keys otherwise and wins, as user (empty: everybody), path and keys.

    What holds for everybody is not repeated for each user.
    """
    if planned.after is None:
        return []
    ours = File(planned.path, condarc.parse(planned.after, planned.path))
    as_planned = [
        {**file, "exists": True, "text": planned.after, "problem": ""} if file["path"] == ours.path else file
        for file in found
    ]
    result: list[dict[str, Any]] = []
    of_everybody: dict[str, list[str]] = {}
    for user in ("", *users):
        files, _unused = files_for(as_planned, user)
        if ours.path not in [file.path for file in files]:
            continue
        defeated = overridden(ours, files)
        for path, names in defeated.items():
            keys = [name for name in names if name not in of_everybody.get(path, ())]
            result += [{"user": user, "path": path, "keys": keys}] if keys else []
        if not user:
            of_everybody = defeated
    return result
