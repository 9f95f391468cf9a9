# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: show what preflights of nodes have found, as a table and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, show
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.data_ages import ages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import table
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import judge

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "nodes": {"type": "dict", "required": True},
    "path": {"type": "path"},
}
#: The version of the report's form.
FORMAT = 1


class ActionModule(Action):
    """Judge all nodes on the control node, show the report, and write it where that is asked for."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        nodes = {name: judge(found) for name, found in arguments["nodes"].items()}
        now = datetime.now(UTC)
        data = ages(now.date())
        show("\n".join(["", *table.lines(nodes), *table.age(data), ""]))
        found = report(nodes, data, now)
        if arguments["path"]:
            report_files.replace(Path(arguments["path"]), json.dumps(found, indent=2) + "\n")
        return {"changed": False, "ok": found["ok"]}


def report(nodes: table.Verdicts, data: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """Return the report for programs, as docs/preflight.md describes it."""
    found: dict[str, Any] = {
        "format": FORMAT,
        "time": now.isoformat(timespec="seconds"),
        "ok": all(node["ok"] for node in nodes.values()),
        "nodes": table.in_order(nodes),
        "data": list(data),
    }
    shown: dict[str, Any] = sanitised(found)
    return shown
