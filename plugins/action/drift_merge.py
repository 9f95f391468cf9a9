# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: write one drift report of several that other control nodes, and nodes that pull, have made."""

from __future__ import annotations

from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, show, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import publish, pulled, summary
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.merge import merged

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "reports": {"type": "list", "elements": "str", "default": []},
    "pulled": {"type": "path"},
    "nodes": {"type": "list", "elements": "str", "required": True},
    **publish.OPTIONS,
}


class ActionModule(Action):
    """Read the reports on the control node, and replace the files of the last one there."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        target = publish.target(arguments)
        if not (arguments["reports"] or arguments["pulled"]):
            raise EvenkeelError("Neither drift_reports nor drift_pulled is given", "Name the reports by one of them")
        reports = []
        for path in sorted({path for pattern in arguments["reports"] for path in _matching(pattern)}):
            try:
                reports.append(read(path))
            except EvenkeelError as error:
                warn(f"Left out: {error}")
        groups = {group: set(members) for group, members in (task_vars.get("groups") or {}).items()}
        hosts = {name: [group for group, members in groups.items() if name in members] for name in arguments["nodes"]}
        if not hosts and not reports:
            raise EvenkeelError("There are no hosts and no reports", "Name an inventory with hosts, with -i")
        now = datetime.now(UTC)
        of_nodes = pulled.gather(Path(arguments["pulled"]), hosts, now) if arguments["pulled"] else pulled.Gathered()
        for why in of_nodes.left_out.values():
            warn(f"Left out: {why}")
        found = merged(reports, hosts, now, of_nodes.reports, of_nodes.left_out)
        for line in publish.publish(found, target):
            warn(line)
        show("\n".join(["", *summary.lines(found), f"{target.folder / 'index.html'}", ""]))
        states = {name: host["state"] for name, host in found["hosts"].items()}
        return {"changed": False, "status": found["status"], "states": states, "counts": found["counts"]}


def _matching(pattern: str) -> list[Path]:
    found = [Path(path) for path in glob(pattern, recursive=True)]
    if not found:
        warn(f"There is no report at {pattern}, which drift_reports names.")
    return found
