#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the health of notebook servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_status
short_description: Wait until notebook servers are up, guarded, and run code
version_added: 0.1.0
description:
  - Asks each server on the node for C(/api/status) with its token and without it, and for its kernels, and has the
    first kernel compute something where the server is new or was restarted. A mistyped setting only makes a server log
    a warning, so whether it lets in whom it should is seen from outside alone.
  - A server is a process of its user's, who may have put anything in its place. It is asked with the user's rights
    alone, several users at a time, each within a limit of time and bytes.
  - What is wrong with one user's server is warned of and returned in RV(user_problems); the task goes on. It fails
    where the fault is the node's, which is when a server or a kernel does not work without anything of a user's either,
    when all servers fail, or when the server of an account of the node's own does.
  - Waits while there is no answer, at most O(timeout) seconds for each server.
  - A server that sleeps until somebody needs it is left asleep, or sleeps again after it was looked at.
  - In check mode it asks those that run, once, and never fails.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  servers:
    description:
      - What the module M(evenkeel.gpu.jupyter_servers) returned as C(servers). C(probe) of each says how to look at it,
        not at all (C(asleep)), whether it is guarded (C(waiting), for its restart), whether it answers as it should
        (C(light)), or whether it runs code too (C(full)).
    type: list
    elements: dict
    required: true
  kernels:
    description: The kernels that every server must offer; the first one is the one to compute.
    type: list
    elements: str
    default: []
  environment:
    description: The environment that the servers run from.
    type: path
    required: true
  kernels_directory:
    description: Where the kernels are registered.
    type: path
    default: /usr/local/share/jupyter/kernels
  config:
    description: The settings that every server reads last.
    type: path
    default: /etc/evenkeel/jupyter/jupyter_server_config.py
  timeout:
    description: How many seconds to wait for an answer.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Wait for the notebook servers
  evenkeel.gpu.jupyter_status:
    servers: "{{ jupyter.servers }}"
    kernels: [ai-dev]
    environment: /opt/evenkeel/envs/jupyter
"""

RETURN = r"""
ready:
  description: Whether all servers are as they should be.
  type: bool
  returned: success
problems:
  description: What is wrong, with all servers.
  type: list
  elements: str
  returned: success
  sample: [The notebook server of ana does not answer. Its journal says why.]
user_problems:
  description: What is wrong with the servers that run, by user. They are warned of.
  type: dict
  returned: success
  sample:
    ana: ["The notebook server of ana does not answer. Its journal says why."]
"""

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
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ANSWER_BYTES = 1 << 16

Server = Mapping[str, Any]


def main() -> None:
    run(
        check,
        {
            "servers": {"type": "list", "elements": "dict", "required": True},
            "kernels": {"type": "list", "elements": "str", "default": []},
            "environment": {"type": "path", "required": True},
            "kernels_directory": {"type": "path", "default": "/usr/local/share/jupyter/kernels"},
            "config": {"type": "path", "default": "/etc/evenkeel/jupyter/jupyter_server_config.py"},
            "timeout": {"type": "int", "default": 60},
        },
    )


def check(module: Module) -> dict[str, Any]:
    params = module.params
    servers = [server for server in params["servers"] if server["probe"] != "asleep"]
    running = units.read([server["unit"] for server in servers])
    awake = [server for server in servers if running[server["unit"]].running]
    # One that is asked wakes up.
    slept = [server for server in servers if server not in awake] if not module.check_mode else []
    # A server that starts keeps a processor busy.
    found = {**look_at(module, awake, as_user.AT_ONCE), **look_at(module, slept, processors())}
    problems = {user: told for user, (told, _) in found.items() if told}
    if not module.check_mode:
        again = [server["unit"] for server in slept if server["on_demand"] and server["user"] not in problems]
        if again:
            command.run(["systemctl", "stop", *again])
        require_node(module, found)
        user_problems.warn(module, {user: [told] for user, told in problems.items()})
    return {
        "ready": not problems,
        "problems": list(problems.values()),
        "user_problems": {user: [told] for user, told in sorted(problems.items())},
    }


def processors() -> int:
    return max(1, min(as_user.AT_ONCE, os.cpu_count() or 1))


def look_at(module: Module, servers: Sequence[Server], at_once: int) -> dict[str, tuple[str, bool]]:
    """Return what is wrong with each server, empty where nothing is, and whether its kernel was asked."""
    timeout = 0 if module.check_mode else module.params["timeout"]
    seconds = jupyter_status.most_seconds(timeout)
    answers = as_user.call_each(
        [
            (
                accounts.account(server["user"]),
                functools.partial(jupyter_status.examine, server, module.params["kernels"], timeout),
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
        said = "The notebook server of %s %s. %s." % (server["user"], verdict.problem, verdict.mend)
        found[server["user"]] = ("" if verdict.ready else said, kernel)
    return found


def require_node(module: Module, found: Mapping[str, tuple[str, bool]]) -> None:
    """Fail where the fault is the node's and no user's."""
    params = module.params
    failed = [user for user, (told, _) in found.items() if told]
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


if __name__ == "__main__":
    main()
