# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: give a node the Python that modules need, through a shell alone."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import DISCOVERED, Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import (
    first_look,
    interpreters,
    python_install,
    shell,
)

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {}


class ActionModule(Action):
    """Look for a Python, install one where the distribution has one that is new enough, and say what is left to do."""

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        self.validate_argument_spec(ARGUMENT_SPEC)
        configured = interpreters.configured(task_vars, self._templar)
        found = self._look(configured, task_vars)
        problem = first_look.python_problem(found, configured)
        command = first_look.install_command(found, configured) if problem else ""
        if problem and not command:
            return _failed(problem)
        if command and self._task.check_mode:
            return _failed(f"{problem} A run without --check does that.")
        _found, no_root = shell.look_as_root(self)
        if no_root:
            return _failed(f"no root: {no_root}")
        if not command:
            return _usable(found, configured, changed=False)
        said = self._install(command)
        found = self._look(configured, task_vars)
        problem = first_look.python_problem(found, configured)
        if problem:
            return _failed(f"{problem} Here `{command}` ended with: {python_install.said_last(said)}")
        return _usable(found, configured, changed=True)

    def _look(self, configured: str, task_vars: dict[str, Any]) -> first_look.FirstLook:
        names = [*filter(None, [configured]), *interpreters.looked_for(task_vars)]
        return shell.look(self, names)

    def _install(self, command: str) -> str:
        script = shlex.quote(python_install.script(command))
        # Its own standard input, or a package's script could read the rest of the program.
        program = f"{self._compute_environment_string()} sh -c {script} </dev/null".lstrip()
        return shell.run(self, program, become=True)


def _usable(found: first_look.FirstLook, configured: str, *, changed: bool) -> dict[str, Any]:
    python = first_look.choose(found, configured) or first_look.Python("", "")
    facts = {} if configured else {"ansible_facts": {DISCOVERED: python.path}}
    return {"changed": changed, "path": python.path, "version": python.version, **facts}


def _failed(problem: str) -> dict[str, Any]:
    return {"failed": True, "changed": False, "msg": problem}
