# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: the node reads conda's files, one of them is planned here, and the node writes it."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.condarc import ARGUMENT_SPEC, RULES
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.options import check, desired, needed_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.plan import plan
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.report import lost_files, result
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps

#: What the node's module needs to know; never the settings, which may hold secrets.
NODE_OPTIONS = ("scope", "path", "distribution", "prefix", "user", "users")


class ActionModule(Action):
    """Runs the module once to read, and a second time only where something is to be written."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC, **RULES)
        check(arguments)
        answer = yield self._call(needed_files=needed_files(arguments["settings"]))
        if "found" not in answer:
            return answer
        found = answer["found"]
        conda = arguments["conda_version"] or found["conda"]
        planned = plan(found["target"], desired(arguments, conda))
        lost = lost_files(found["missing"], arguments["settings"])
        if lost is not None and (self.precedes_run or not self._task.check_mode):
            raise lost
        written: dict[str, Any] = {}
        if planned.changed and not self._task.check_mode:
            written = yield self._call(write=planned.write)
            if written.get("failed"):
                return written
        answer = result(arguments, found, planned, conda, written.get("backup_file", ""))
        return {**answer, "diff": planned.diff} if self._task.diff else answer

    def _call(self, **request: Any) -> Call:
        options = {name: self._task.args[name] for name in NODE_OPTIONS if name in self._task.args}
        return Call("condarc", options, request)
