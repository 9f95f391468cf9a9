# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module jupyter_status: the health of notebook servers."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import reference_server as jupyter_reference
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import status as jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.servers import journal
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts, as_user, command, units, user_problems
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ANSWER_BYTES = 1 << 16

Server = Mapping[str, Any]

ARGUMENT_SPEC: dict[str, Any] = {
    "servers": {"type": "list", "elements": "dict", "required": True},
    "kernels": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "path", "required": True},
    "kernels_directory": {"type": "path", "default": "/usr/local/share/jupyter/kernels"},
    "config": {"type": "path", "default": "/etc/evenkeel/jupyter/jupyter_server_config.py"},
    "timeout": {"type": "int", "default": 60},
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    servers = [server for server in params["servers"] if server["probe"] != "asleep"]
    running = units.read([server["unit"] for server in servers])
    awake = [server for server in servers if running[server["unit"]].running]
    # A request starts a sleeping server.
    slept = [server for server in servers if server not in awake] if not check_mode else []
    timeout = 0 if check_mode else params["timeout"]
    # A server that starts keeps a processor busy.
    found = {**look_at(params, awake, timeout, as_user.AT_ONCE), **look_at(params, slept, timeout, processors())}
    problems = {user: problem for user, (problem, _unused) in found.items() if problem}
    if not check_mode:
        again = [server["unit"] for server in slept if server["on_demand"] and server["user"] not in problems]
        if again:
            command.run(["systemctl", "stop", *again])
        require_node(params, found)
    of_users = {user: [problem] for user, problem in sorted(problems.items())}
    return {
        "ready": not problems,
        "problems": list(problems.values()),
        "user_problems": of_users,
        "warnings": [] if check_mode else user_problems.warnings(of_users),
    }


def processors() -> int:
    return max(1, min(as_user.AT_ONCE, os.cpu_count() or 1))


def look_at(
    params: dict[str, Any], servers: Sequence[Server], timeout: int, at_once: int
) -> dict[str, tuple[str, bool]]:
    """Return what is wrong with each server, empty where nothing is, and whether its kernel was asked."""
    seconds = jupyter_status.most_seconds(timeout)
    answers = as_user.call_each(
        [
            (
                accounts.account(server["user"]),
                functools.partial(jupyter_status.examine, server, params["kernels"], timeout),
            )
            for server in servers
        ],
        seconds=seconds,
        total_seconds=seconds * math.ceil(len(servers) / at_once),
        most_bytes=ANSWER_BYTES,
        at_once=at_once,
    )
    found = {}
    for server, answer in zip(servers, answers):
        verdict, kernel = jupyter_status.understood(answer)
        problem = "The notebook server of %s %s. %s." % (server["user"], verdict.problem, verdict.remedy)
        found[server["user"]] = ("" if verdict.ready else problem, kernel)
    return found


def require_node(params: dict[str, Any], found: Mapping[str, tuple[str, bool]]) -> None:
    """Fail when the fault is the node's and not a user's."""
    failed = [user for user, (problem, _unused) in found.items() if problem]
    of_kernels = [user for user in failed if found[user][1]]
    units_of = {server["user"]: server["unit"] for server in params["servers"]}
    own = [server["user"] for server in params["servers"] if server.get("system_account")]

    def reference() -> str | None:
        broken = None
        if len(of_kernels) < len(failed):
            settings = settings_of(params["servers"][0])
            broken = jupyter_reference.failure_of_server(params["environment"], params["config"], settings)
        if of_kernels and not broken:
            broken = jupyter_reference.failure_of_kernel(params["kernels"][0], params["kernels_directory"])
        return broken

    why = user_problems.of_node(failed, units_of.keys(), own, reference)
    if why:
        lines = [
            "%s\nThe last lines of %s:\n%s" % (found[user][0], units_of[user], journal(units_of[user]))
            for user in failed
        ]
        raise EvenkeelError("\n".join(lines), "It is the node's own: %s" % why)


def settings_of(server: Server) -> dict[str, Any]:
    """Return the settings that a server has of the role."""
    try:
        path = os.path.join(os.path.dirname(server["token_file"]), "settings.json")
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream))
    except (OSError, ValueError, TypeError):
        return {}
