# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: show what others have set up on nodes, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._adopt.verdict import TITLES, judge
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, show
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import table

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
        nodes = {name: judge(found) for name, found in table.in_order(arguments["nodes"]).items()}
        lines = [
            line
            for key, title in TITLES.items()
            for line in table.section(title, ((text, name) for name, node in nodes.items() for text in node[key]))
        ]
        nothing = [name for name, node in nodes.items() if not any(node.values())]
        lines += table.section("As good as new", (("nothing of others was found", name) for name in nothing))
        show("\n".join([*lines, ""]))
        report = {
            "format": FORMAT,
            "nodes": {name: {**nodes[name], "found": found} for name, found in arguments["nodes"].items()},
        }
        if arguments["path"]:
            report_files.replace(Path(arguments["path"]), json.dumps(sanitised(report), indent=2) + "\n")
        return {"changed": False, "nodes": nodes}
