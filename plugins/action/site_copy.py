# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: have a copy say which version of the collection made it, and from which commit of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed


class ActionModule(Action):
    """Hand the module what its manifest says of the control node."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        commit = committed.of_site(Path(task_vars.get("inventory_dir") or "."))["commit"] or ""
        result = yield Call("site_copy", self._task.args, {"version": own_version(), "commit": commit})
        return result
