# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: have this run take a node, unless another run has it, or let go of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.node_lease import ARGUMENT_SPEC
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import this_run
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps


class ActionModule(Action):
    """Say to the node which run this is, and see here whether that which holds the node has ended."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        _unused, options = self.validate_argument_spec(ARGUMENT_SPEC)
        run = this_run.of(task_vars)
        held = options["state"] == "held"
        if self._task.check_mode or (this_run.is_inherited() and not held):
            return {"changed": False}
        answer = yield Call("node_lease", options, {"run": asdict(run)})
        other = answer.get("other")
        if other and (this_run.takes_over(task_vars) or run_lease.has_ended(other)):
            answer = yield Call("node_lease", options, {"run": asdict(run), "instead_of": other["id"]})
            other = answer.get("other")
        if other:
            raise run_lease.refusal(other)
        return {**answer, "run": run.text()} if held and not answer.get("failed") else answer
