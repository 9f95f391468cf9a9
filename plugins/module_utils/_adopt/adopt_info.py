# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module adopt_info: what a node has that others have set up, of what Evenkeel sets up."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_places, notebook_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import runfile
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

ARGUMENT_SPEC: dict[str, Any] = {
    "own": {"type": "list", "elements": "path", "default": ["/opt/evenkeel"]},
    "prefix": {"type": "path", "default": "/opt/miniconda3"},
    "seconds": {"type": "int", "default": 20},
    "total_seconds": {"type": "int", "default": 120},
}
#: What shows that a program has set up the node, by the program.
_TRACES = {
    "The Littlest JupyterHub": ("/opt/tljh/hub", "/opt/tljh/config"),
    "DeepOps": ("/etc/ansible/facts.d/gpus.fact", "/etc/ansible/facts.d/topology.fact"),
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return what the module documents."""
    for name in ("seconds", "total_seconds"):
        if params[name] < 1:
            raise EvenkeelError("%s is %d" % (name, params[name]), "Set it to a number of seconds from 1")
    found = conda_places.find(params["own"], params["seconds"], params["total_seconds"])
    system, prefix = Sysroot(), os.path.realpath(params["prefix"])
    return {
        "conda": [{**place, "in_the_way": place["path"] == prefix} for place in found["places"]],
        "settings": found["settings"],
        "unread": found["unread"],
        "servers": notebook_servers.find(system),
        "set_up_by": set_up_by(system),
        "runfile": runfile.installed(),
    }


def set_up_by(system: Sysroot) -> list[dict[str, str]]:
    """Return the programs that have set up a node, each ``name`` and the ``path`` that shows it."""
    found = []
    for name, paths in _TRACES.items():
        path = next((path for path in paths if system.exists(path)), "")
        if path:
            found.append({"name": name, "path": path})
    return found
