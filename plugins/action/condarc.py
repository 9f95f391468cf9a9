# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: decide what one of conda's configuration files shall hold, between two executions of its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.condarc import ARGUMENT_SPEC, RULES
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_problems
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import spelled
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import (
    Desired,
    Plan,
    check,
    defeats,
    files_for,
    needed_files,
    plain,
    plan,
    problems_of_users,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.secrets import has_secret
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action

#: What the node's module needs to know; never the settings, which may hold secrets.
NODE_OPTIONS = ("scope", "path", "distribution", "prefix", "user", "users")


class ActionModule(Action):
    """Have the node read, decide here, and have it write what changes."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _, arguments = self.validate_argument_spec(ARGUMENT_SPEC, **RULES)
        return self._run(plain(arguments), task_vars)

    def _run(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        check(arguments)
        for_node = {name: self._task.args[name] for name in NODE_OPTIONS if name in self._task.args}
        answer = self._on_node({**for_node, "needed_files": needed_files(arguments["settings"])}, task_vars)
        if "found" not in answer:
            return answer
        found = answer["found"]
        conda = arguments["conda_version"] or found["conda"]
        decided = plan(found["target"], desired(arguments, conda))
        lost = lost_files(found["missing"], arguments["settings"])
        if lost is not None and not self._task.check_mode:
            raise lost
        result: dict[str, Any] = {"changed": decided.changed}
        if decided.changed and not self._task.check_mode:
            write = {"before": decided.digest, "mode": decided.mode, "backup": decided.backup}
            text = {} if decided.after is None else {"text": decided.after}
            result = self._on_node({**for_node, "write": {**write, **text}}, task_vars)
            if result.get("failed"):
                return result
        defeated = defeats(found["files"], decided, found["users"])
        of_users = problems_of_users(found, decided.path)
        result = {
            "changed": decided.changed,
            "path": decided.path,
            "conda_version": conda,
            "defeated": defeated,
            "user_problems": of_users,
            "warnings": [
                *warnings(arguments, decided, found, defeated, result.get("backup_file", "")),
                *user_problems.warnings(of_users),
            ],
            **({"backup_file": result["backup_file"]} if "backup_file" in result else {}),
        }
        return {**result, "diff": decided.diff} if self._task.diff else result

    def _on_node(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="evenkeel.gpu.condarc", module_args=arguments, task_vars=task_vars
        )
        return result


def desired(arguments: Mapping[str, Any], conda: str) -> Desired:
    """Return what the file shall say to the node's conda."""
    allowed = tuple(arguments["allow_unknown"])
    settings = spelled(arguments["settings"], conda, allowed)
    given = dict(zip(arguments["settings"], settings, strict=True))
    return Desired(
        state=arguments["state"],
        settings=settings,
        final=tuple(given[name] for name in arguments["final"]),
        remove=tuple(arguments["remove"]),
        allowed=allowed,
        backup=arguments["backup"],
    )


def lost_files(missing: Sequence[str], settings: Mapping[str, Any]) -> EvenkeelError | None:
    """Return what to say of settings that name files which the node lacks; in check mode they may be yet to come."""
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
    """Return what the operator should know although nothing failed."""
    lost = lost_files(found["missing"], arguments["settings"])
    told = [str(lost)] if lost is not None else []
    if decided.changed and decided.foreign and arguments["state"] == "exact":
        where = f"is kept as {kept}" if kept else "would be kept beside it"
        told.append(f"{decided.path} was not Evenkeel's; it {where}")
    if arguments["scope"] != "user" and has_secret(arguments["settings"]):
        told.append(
            f"{decided.path} holds a password or a token, so that only its owner can read it, and conda stops for "
            "everybody else; let conda take it from the environment instead, as in https://${NAME}:${PASSWORD}@host"
        )
    if decided.after is not None and decided.path not in [file["path"] for file in found["files"]]:
        told.append(f"conda does not look for {decided.path}; it reads it only where CONDARC names it")
    for one in defeated:
        whom = f"for {one['user']}" if one["user"] else "for everybody"
        told.append(f"{one['path']} wins over {decided.path} {whom}: {', '.join(one['keys'])}")
    problems = files_for(found["files"])[1]
    told += [f"conda cannot use {path}: {why}" for path, why in problems.items() if path != decided.path]
    return list(dict.fromkeys(told))
