# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run modules on another host of the inventory than a task's, over the connection that Ansible has for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action


class OtherHost(Action):
    """What an action does on another host, as Ansible's user there, also where its task is in check mode.

    Variables of the play do not count: they are about its own hosts.

    Parameters
    ----------
    action
        The action.
    name
        The host, which the inventory has.
    task_vars
        The action's own.
    """

    def __init__(self, action: ActionBase, name: str, task_vars: Mapping[str, Any]) -> None:
        self.name = name
        self.variables = {**task_vars["hostvars"].raw_get(name)}
        self.variables["ansible_facts"] = {**self.variables.get("ansible_facts", {})}
        templar = action._templar.copy_with_new_env(available_variables=self.variables)
        task = action._task.copy()
        task.args, task.check_mode, task.become, task.delegate_to = {}, False, False, None
        context = action._play_context.set_task_and_variable_override(task, self.variables, templar)
        kind = templar.template(self.variables.get("ansible_connection")) or constants.DEFAULT_TRANSPORT
        connection = connection_loader.get(kind, context, task_uuid=task._uuid, ansible_playbook_pid=str(os.getppid()))
        connection.set_become_plugin(None)
        keys = {"timeout": context.timeout, **({"password": context.password} if context.password else {})}
        connection.set_options(
            task_keys=keys, var_options=connection._resolve_option_variables(self.variables, templar)
        )
        shell = {
            option: templar.template(self.variables[option])
            for option in constants.config.get_plugin_vars("shell", connection._shell._load_name)
            if option in self.variables
        }
        connection._shell.set_options(var_options=shell)
        super().__init__(
            task=task,
            connection=connection,
            play_context=context,
            loader=action._loader,
            templar=templar,
            shared_loader_obj=action._shared_loader_obj,
        )

    def uname(self) -> str:
        """Return the kernel's name and the machine's, such as ``Linux x86_64``."""
        return str(self._low_level_execute_command("uname -sm", sudoable=False)["stdout"]).strip()

    def send(self, path: str, target: str) -> None:
        """Copy a file to the host, to a directory that is there."""
        self._connection.put_file(path, target)

    def fetch(self, path: str, target: str) -> None:
        """Copy a file from the host."""
        self._connection.fetch_file(path, target)

    def close(self) -> None:
        """Remove what Ansible has left on the host, and end the connection."""
        self.cleanup(force=True)
        self._connection.close()
