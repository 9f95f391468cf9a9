# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module jupyter_status: the health of notebook servers."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activation_check, kernelspecs
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


class Found(NamedTuple):
    """What is wrong with a server, empty where nothing is; whether its kernel was asked; a warning, or none."""

    problem: str
    kernel: bool
    warning: str = ""


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Ask the servers, and return what is wrong with them.

    In check mode no server and no kernel is started, and what a run would restart or move is not asked. What is the
    node's own fault is then something to do, which a run may repair before it gets here.

    Raises
    ------
    EvenkeelError
        The fault is the node's.
    """
    servers = [server for server in params["servers"] if server["probe"] != "asleep"]
    running = units.read([server["unit"] for server in servers])
    awake = [server for server in servers if running[server["unit"]].running]
    # A request starts a sleeping server.
    slept = [server for server in servers if server not in awake]
    if check_mode:
        awake, slept = [server for server in awake if server["probe"] != "full" and not server["moves"]], []
        params = {**params, "kernels": list(filter(registered_in(params["kernels_directory"]), params["kernels"]))}
    # A server that starts keeps a processor busy.
    found = {**look_at(params, awake, as_user.AT_ONCE), **look_at(params, slept, processors())}
    problems = {user: one.problem for user, one in found.items() if one.problem}
    again = [server["unit"] for server in slept if server["on_demand"] and server["user"] not in problems]
    if again:
        command.run(["systemctl", "stop", *again])
    why = fault_of_node(params, found)
    if why and not check_mode:
        raise EvenkeelError("\n".join(with_journals(params["servers"], problems)), "It is the node's own: %s" % why)
    of_users = {} if why else {user: [problem] for user, problem in sorted(problems.items())}
    of_node = ["%s It is the node's own: %s." % (" ".join(problems.values()), why)] if why else []
    return {
        "changed": bool(why),
        "ready": not problems,
        "problems": list(problems.values()),
        "user_problems": of_users,
        "warnings": of_node + user_problems.warnings(of_users) + [one.warning for one in found.values() if one.warning],
    }


def registered_in(directory: str) -> Callable[[str], bool]:
    """Return whether a kernel is registered, as a function of its name."""
    return lambda kernel: os.path.exists(os.path.join(directory, kernel, kernelspecs.SPEC))


def processors() -> int:
    return max(1, min(as_user.AT_ONCE, os.cpu_count() or 1))


def look_at(params: dict[str, Any], servers: Sequence[Server], at_once: int) -> dict[str, Found]:
    """Return what is found at each user's server."""
    timeout = params["timeout"]
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
        warning = ""
        if verdict.ready and verdict.differing and kernel:
            first = params["kernels"][0]
            warning = activation_check.warning(server["user"], server["unit"], first, verdict.differing)
        found[server["user"]] = Found("" if verdict.ready else problem, kernel, warning)
    return found


def fault_of_node(params: dict[str, Any], found: Mapping[str, Found]) -> str | None:
    """Return why the fault is the node's, or None where it is users' own."""
    failed = [user for user, one in found.items() if one.problem]
    of_kernels = [user for user in failed if found[user].kernel]
    users = [server["user"] for server in params["servers"]]
    own = [server["user"] for server in params["servers"] if server.get("system_account")]

    def reference() -> str | None:
        broken = None
        if len(of_kernels) < len(failed):
            settings = settings_of(params["servers"][0])
            broken = jupyter_reference.failure_of_server(params["environment"], params["config"], settings)
        if of_kernels and not broken:
            broken = jupyter_reference.failure_of_kernel(params["kernels"][0], params["kernels_directory"])
        return broken

    return user_problems.of_node(failed, users, own, reference)


def with_journals(servers: Sequence[Server], problems: Mapping[str, str]) -> list[str]:
    """Return problems, each with the last lines of its server's journal."""
    units_of = {server["user"]: server["unit"] for server in servers}
    return [
        "%s\nThe last lines of %s:\n%s" % (problem, units_of[user], journal(units_of[user]))
        for user, problem in problems.items()
    ]


def settings_of(server: Server) -> dict[str, Any]:
    """Return the settings that a server has of the role."""
    try:
        path = os.path.join(os.path.dirname(server["token_file"]), "settings.json")
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream))
    except (OSError, ValueError, TypeError):
        return {}
