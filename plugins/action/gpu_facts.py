# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: add what is known of the GPUs that the module of the same name finds."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.gpus import merged


class ActionModule(Action):
    """Have the node read, and look its GPUs up on the control node, where their data is."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        answer = yield Call("gpu_facts", self._task.args)
        facts = answer.get("ansible_facts", {}).get("evenkeel_gpu")
        return {**answer, "ansible_facts": {"evenkeel_gpu": merged(facts)}} if facts else answer
