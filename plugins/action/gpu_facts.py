# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: add what is known of the GPUs that the module of the same name finds."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpus import merged


class ActionModule(ActionBase):  # type: ignore[misc]
    """Have the node read, and look its GPUs up on the control node, where their data is."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        answer: dict[str, Any] = self._execute_module(module_name="evenkeel.gpu.gpu_facts", task_vars=task_vars)
        facts = answer.get("ansible_facts", {}).get("evenkeel_gpu")
        return {**answer, "ansible_facts": {"evenkeel_gpu": merged(facts)}} if facts else answer
