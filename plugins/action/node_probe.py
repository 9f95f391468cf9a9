# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: find out through a shell alone whether modules can run on a node."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import first_look, interpreters

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {}


class ActionModule(Action):
    """Ask the node's shell; a node that does not answer is a result too."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self.validate_argument_spec(ARGUMENT_SPEC)
        configured = interpreters.configured(task_vars, self._templar)
        names = [*filter(None, [configured]), *interpreters.looked_for(task_vars)]
        begun = time.time()
        try:
            said = self._low_level_execute_command(first_look.script(names), sudoable=False)
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
            **first_look.skew(found, begun, time.time()),
            **self._as_root(),
        }

    def _as_root(self) -> dict[str, Any]:
        """Return whether tasks run as root, and the clock's skew by a connection that is there already."""
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
            return {"root": False, "root_problem": problem, **first_look.skew(found, begun, ended)}
        return {"root": True, "root_problem": "", **first_look.skew(found, begun, ended)}


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
