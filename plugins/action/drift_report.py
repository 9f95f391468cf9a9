# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: write the drift report of what was found on nodes, in all its forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, show, warn
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import publish, report, summary
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import origin

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "nodes": {"type": "dict"},
    "begun": {"type": "float"},
    "site": {"type": "path", "required": True},
    **publish.OPTIONS,
}
TOGETHER = [("nodes", "begun")]


class ActionModule(Action):
    """Put together the report on the control node, and replace the files of the last one."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC, required_together=TOGETHER)
        target = publish.target(arguments)
        if arguments["nodes"] is None:
            publish.require(target)
            return {"changed": False}
        if not arguments["nodes"]:
            raise EvenkeelError("No host was asked, so there is no report", "Name an inventory with hosts, with -i")
        found = _report(arguments, task_vars)
        for line in publish.publish(found, target):
            warn(line)
        show("\n".join(["", *summary.lines(found), f"{target.folder / 'index.html'}", ""]))
        states = {name: host["state"] for name, host in found["hosts"].items()}
        return {"changed": False, "status": found["status"], "states": states, "counts": found["counts"]}


def _report(arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
    groups = {group: set(members) for group, members in (task_vars.get("groups") or {}).items()}
    hosts = {}
    for name, found in arguments["nodes"].items():
        declared = found.get("declared") or {}
        declaring = origin.files_of(declared.get("sources") or ())
        own = [group for group, members in groups.items() if name in members]
        hosts[name] = report.of_host(found, own, declaring)
    now = datetime.now(UTC)
    return report.of_run(
        hosts,
        site=committed.of_site(Path(arguments["site"]).absolute()),
        limit=str(task_vars.get("ansible_limit") or ""),
        created=now,
        seconds=max(0, now.timestamp() - arguments["begun"]),
    )
