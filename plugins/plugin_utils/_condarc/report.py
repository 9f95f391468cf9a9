# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The result of a task about one of conda's configuration files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_problems
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import Plan
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.search_path import (
    defeats,
    files_for,
    problems_of_users,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.secrets import has_secret


def result(
    arguments: Mapping[str, Any], found: Mapping[str, Any], planned: Plan, conda: str, kept: str
) -> dict[str, Any]:
    """Return the result of the task.

    Parameters
    ----------
    arguments
        The module's options.
    found
        What the node had.
    conda
        The release of conda that the settings were checked for.
    kept
        Where the node has put the earlier content; empty when it has put it nowhere.
    """
    defeated = defeats(found["files"], planned, found["users"])
    of_users = problems_of_users(found, planned.path)
    lines = warnings(arguments, planned, found, defeated, kept)
    stays = arguments["state"] == "absent" and planned.foreign
    return {
        "changed": planned.changed,
        "path": planned.path,
        "conda_version": conda,
        "defeated": defeated,
        "user_problems": of_users,
        "warnings": [*lines, *user_problems.warnings(of_users)],
        **({"backup_file": kept} if kept else {}),
        **({"left": [f"{planned.path}: not written by Evenkeel"]} if stays else {}),
    }


def lost_files(missing: Sequence[str], settings: Mapping[str, Any]) -> EvenkeelError | None:
    """Return the error of settings that name files which the node lacks; in check mode they may still be created."""
    if not missing:
        return None
    keys = [name for name, value in settings.items() if value in missing]
    return EvenkeelError(
        f"{', '.join(keys)} names {', '.join(missing)}, which the node does not have",
        "Put the file there first; conda stops when it is missing",
    )


def warnings(
    arguments: Mapping[str, Any],
    decided: Plan,
    found: Mapping[str, Any],
    defeated: Sequence[Mapping[str, Any]],
    kept: str,
) -> list[str]:
    """Return warnings about what did not fail."""
    lost = lost_files(found["missing"], arguments["settings"])
    lines = [str(lost)] if lost is not None else []
    if decided.changed and decided.foreign and arguments["state"] == "exact":
        where = f"is kept as {kept}" if kept else "would be kept beside it"
        lines.append(f"{decided.path} was not written by Evenkeel; it {where}")
    if arguments["scope"] != "user" and has_secret(arguments["settings"]):
        lines.append(
            f"{decided.path} holds a password or a token, so that only its owner can read it, and conda stops for "
            "everybody else; let conda take it from the environment instead, as in https://${NAME}:${PASSWORD}@host"
        )
    if decided.after is not None and decided.path not in [file["path"] for file in found["files"]]:
        lines.append(f"conda does not look for {decided.path}; it reads it only where CONDARC names it")
    for one in defeated:
        whom = f"for {one['user']}" if one["user"] else "for everybody"
        lines.append(f"{one['path']} wins over {decided.path} {whom}: {', '.join(one['keys'])}")
    problems = files_for(found["files"])[1]
    lines += [f"conda cannot use {path}: {why}" for path, why in problems.items() if path != decided.path]
    return list(dict.fromkeys(lines))
