# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module preflight: what a node has of space, time, reachable sources and past."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._preflight import clock, disks, past, sources

ARGUMENT_SPEC: dict[str, Any] = {
    "paths": {"type": "list", "elements": "path", "required": True},
    "sources": {"type": "list", "elements": "dict", "options": sources.ARGUMENTS, "default": []},
    "timeout": {"type": "int", "default": 10},
    "port": {"type": "int", "default": 8888},
    "own_conda": {"type": "list", "elements": "path", "default": []},
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if params["timeout"] < 1:
        raise EvenkeelError("timeout is %d" % params["timeout"], "Set it to a number of seconds from 1")
    return {
        "disks": disks.read(params["paths"]),
        "clock_synchronised": clock.synchronised(),
        "sources": sources.ask_all(params["sources"], params["timeout"]),
        "past": past.read(params["port"], params["own_conda"]),
    }
