# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: end a node as its state in the drift report is, for the exit status of the run."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import EQUAL, ORDER, UNREACHABLE

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "required": True, "choices": list(ORDER)},
    "fail": {"type": "bool", "default": True},
}


class ActionModule(Action):
    """Fail for one node, or have it unreachable."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        state = arguments["state"]
        said = f"{state}: see the table above and the report."
        if state == UNREACHABLE:
            return {"changed": False, "unreachable": True, "msg": said}
        if state == EQUAL or not arguments["fail"]:
            return {"changed": False}
        return {"changed": False, "failed": True, "msg": said}
