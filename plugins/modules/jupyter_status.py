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
  - Waits while there is no answer, at most O(timeout) seconds; anything else that is wrong fails at once. The message
    ends with the last lines of the unit's journal.
  - A server that sleeps until somebody needs it is left asleep, or sleeps again after it was looked at.
  - In check mode it asks once and never fails.
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
  python:
    description: The Python of the environment that the servers run from.
    type: path
    required: true
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
    python: /opt/evenkeel/envs/jupyter/bin/python
"""

RETURN = r"""
ready:
  description: Whether all servers are as they should be. False only in check mode.
  type: bool
  returned: success
problems:
  description: What is wrong, in check mode.
  type: list
  elements: str
  returned: success
  sample: [The notebook server of ana does not answer]
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils import _command as command
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_status as jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils import _units as units
from ansible_collections.evenkeel.gpu.plugins.module_utils._entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter_servers import journal
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter_status import Verdict

AT_ONCE = 4


def main() -> None:
    run(
        check,
        {
            "servers": {"type": "list", "elements": "dict", "required": True},
            "kernels": {"type": "list", "elements": "str", "default": []},
            "python": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
    )


def check(module: Module) -> dict[str, Any]:
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        problems = [said for said in pool.map(lambda server: look_at(module, server), module.params["servers"]) if said]
    if problems and not module.check_mode:
        return {"failed": True, "msg": "\n".join(problems)}
    return {"ready": not problems, "problems": problems}


def look_at(module: Module, server: dict[str, Any]) -> str:
    if server["probe"] == "asleep":
        return ""
    unit = server["unit"]
    slept = not module.check_mode and not units.read([unit])[unit].running
    try:
        verdict = ask(module, server)
    except EvenkeelError as error:
        verdict = Verdict(error.what, error.mend)
    if verdict.ready:
        if slept and server["on_demand"]:
            command.run(["systemctl", "stop", unit])
        return ""
    said = "The notebook server of %s %s. %s." % (server["user"], verdict.problem, verdict.mend)
    return "%s\nThe last lines of %s:\n%s" % (said, unit, journal(unit))


def ask(module: Module, server: dict[str, Any]) -> Verdict:
    token = jupyter_status.read_token(server["token_file"])
    module.no_log_values.add(token)
    place, waiting = jupyter_status.place_of(server), server["probe"] == "waiting"
    kernels = module.params["kernels"]

    def look() -> Verdict:
        return jupyter_status.judge(jupyter_status.observe(place, token, waiting=waiting), kernels, waiting=waiting)

    if module.check_mode:
        return look()
    verdict = jupyter_status.wait(look, module.params["timeout"])
    if not verdict.ready or server["probe"] != "full" or not kernels:
        return verdict
    question = (place, token, kernels[0], module.params["python"], server["user"])
    # Where many servers start at once, a connection to a kernel may be lost; a broken environment fails twice.
    failed = jupyter_status.failure_of_kernel(*question) and jupyter_status.failure_of_kernel(*question)
    return jupyter_status.judge_kernel(failed)


if __name__ == "__main__":
    main()
