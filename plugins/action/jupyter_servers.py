# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: hash users' passwords before the module of the same name gets them."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.jupyter_passwords import hashed, in_plain_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps, warn


class ActionModule(Action):
    """No password leaves the control node; its hash does."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        node = task_vars.get("inventory_hostname", "")
        places = [str(task_vars[name]) for name in ("inventory_dir", "playbook_dir") if task_vars.get(name)]
        given = self._task.args.get("servers") or []
        servers = [self._without_password(server, node, places) for server in given]
        return (yield Call("jupyter_servers", {**self._task.args, **({"servers": servers} if servers else {})}))

    def _without_password(self, server: Any, node: str, places: list[str]) -> Any:
        if not isinstance(server, dict) or server.get("password") is None:
            return server
        user, password = server.get("name", ""), server["password"]
        if server.get("hashed_password"):
            raise EvenkeelError(f"{user} has a password and a hashed_password", "Give one of the two")
        where = in_plain_text(password, places)
        if where:
            warn(
                f"The password of {user} is in plain text in {where}. Put it into a vault: "
                "ansible-vault encrypt_string --name password"
            )
        rest = {name: value for name, value in server.items() if name != "password"}
        return {**rest, "hashed_password": hashed(str(password), node, user)}
