# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: find out through a shell alone whether modules can run on a node."""

from __future__ import annotations

import time
from typing import Any

from ansible import constants
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import first_look

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {}
#: What stands for an interpreter that Ansible finds by itself.
_AUTOMATIC = ("", "auto", "auto_silent", "auto_legacy", "auto_legacy_silent")


class ActionModule(Action):
    """Ask the node's shell; a node that does not answer is a result too."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self.validate_argument_spec(ARGUMENT_SPEC)
        configured = self._configured(task_vars)
        known = constants.config.get_config_value("INTERPRETER_PYTHON_FALLBACK", variables=task_vars)
        try:
            said = self._low_level_execute_command(
                first_look.script([*([configured] if configured else []), *known]), sudoable=False
            )
        except AnsibleConnectionFailure as error:
            return {"changed": False, "reachable": False, "msg": _in_one_line(error)}
        found = first_look.parse(said["stdout"])
        python = first_look.choose(found, configured)
        return {
            "changed": False,
            "reachable": True,
            "release": found.name,
            "machine": found.machine,
            "python": {"path": python.path, "version": python.version} if python else {},
            "python_problem": first_look.python_problem(found, configured),
            **self._as_root(),
        }

    def _configured(self, task_vars: dict[str, Any]) -> str:
        value = task_vars.get("ansible_python_interpreter") or constants.config.get_config_value(
            "INTERPRETER_PYTHON", variables=task_vars
        )
        name = str(self._templar.template(value) or "")
        return "" if name in _AUTOMATIC else name

    def _as_root(self) -> dict[str, Any]:
        """Return whether tasks run as root, and how far the node's clock is from this one's, in seconds."""
        begun = time.time()
        try:
            said = self._low_level_execute_command(first_look.ROOT_AND_CLOCK)
        except AnsibleError as error:
            return {"root": False, "root_problem": _in_one_line(error)}
        ended = time.time()
        found = first_look.parse(said["stdout"])
        if found.uid != 0:
            words = " ".join((said["stderr"] or said["stdout"]).split())
            problem = f"tasks run as the user {found.uid}" if found.uid else words or "become fails"
            return {"root": False, "root_problem": problem, **_skew(found, begun, ended)}
        return {"root": True, "root_problem": "", **_skew(found, begun, ended)}


def _skew(found: first_look.FirstLook, begun: float, ended: float) -> dict[str, Any]:
    """Return how much the node's clock is ahead at least; what the call itself took is not held against it."""
    if found.clock is None:
        return {}
    early, late = found.clock + 1 - begun, found.clock - ended
    return {"clock_skew": round(early if early < 0 else max(late, 0))}


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
