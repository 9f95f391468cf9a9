# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: hand a node the wheels of its own environment of ansible-core, where it lacks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.transfer import bring
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.control_wheels import (
    Machine,
    download_with_pip,
    gather,
    packages,
)


class ActionModule(Action):
    """Tell the module what this control node has; bring it the wheels where the node has another environment."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        enabled = boolean(self._task.args.get("enabled", True), strict=False)
        handed = {"packages": packages()} if enabled else {}
        result = yield Call("pull_agent", self._task.args, handed)
        wanted = result.get("wanted")
        if wanted:
            directory = self._task.args.get("wheels")
            place = given_paths.absolute(directory, self._loader) if directory else None
            machine = Machine(wanted["python"], wanted["machine"])
            run_directory = Path(constants.DEFAULT_LOCAL_TMP)
            wheels = gather(machine, handed["packages"], place, run_directory, download_with_pip)
            result = yield Call("pull_agent", self._task.args, {**handed, "brought": bring(self, wheels)})
        return result
