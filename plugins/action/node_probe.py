# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: find out through a shell alone whether modules can run on a node."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import first_look, interpreters, shell

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {}


class ActionModule(Action):
    """Ask the node's shell; a node that does not answer is a result too."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self.validate_argument_spec(ARGUMENT_SPEC)
        configured = interpreters.configured(task_vars, self._templar)
        names = [*filter(None, [configured]), *interpreters.looked_for(task_vars)]
        begun = time.time()
        try:
            found = shell.look(self, names)
        except AnsibleConnectionFailure as error:
            return {"changed": False, "reachable": False, "msg": " ".join(str(error).split())}
        skew = first_look.skew(found, begun, time.time())
        root_problem = ""
        if found.answered:
            # By a connection that is there already.
            begun = time.time()
            as_root, root_problem = shell.look_as_root(self)
            skew |= first_look.skew(as_root, begun, time.time())
        python = first_look.choose(found, configured)
        return {
            "changed": False,
            "reachable": True,
            "release": found.name,
            "machine": found.machine,
            "python": {"path": python.path, "version": python.version} if python else {},
            "python_problem": first_look.python_problem(found, configured),
            "root": found.answered and not root_problem,
            "root_problem": root_problem,
            **skew,
        }
