# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: tell which of the files that the module of the same name finds wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.condarc_info import ARGUMENT_SPEC
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_problems
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import require_known
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.precedence import effective, keys_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.search_path import files_for, problems_of_users
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.secrets import masked_value
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action


class ActionModule(Action):
    """Have the node read, and say here what comes of it."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        answer: dict[str, Any] = self._execute_module(module_name="evenkeel.gpu.condarc_info", task_vars=task_vars)
        if "found" not in answer:
            return answer
        return told(answer["found"], arguments["keys"], arguments["user"] or "")


def told(found: Mapping[str, Any], keys: list[str], user: str) -> dict[str, Any]:
    """Return what the task is answered."""
    files, problems = files_for(found["files"], user)
    of_users = problems_of_users(found)
    require_known(keys, [name for file in files for name in file.settings], "keys")
    settings = {name: made for name in keys or keys_of(files) if (made := effective(name, files)) is not None}
    return {
        "changed": False,
        "settings": {name: masked_value(asdict(made)) for name, made in settings.items()},
        "files": [file.path for file in files],
        "problems": problems,
        "user_problems": of_users,
        "warnings": user_problems.warnings(of_users),
        "conda_version": found["conda"],
    }
