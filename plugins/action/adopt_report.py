# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: show what others have set up on nodes, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line, sanitised
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._adopt import exports
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._adopt.verdict import TITLES, judge
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, show
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import table

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "nodes": {"type": "dict", "required": True},
    "path": {"type": "path"},
    "exports": {"type": "path"},
}
#: The version of the report's form.
FORMAT = 1


class ActionModule(Action):
    """Judge all nodes on the control node, show the report, and write it where that is asked for."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        every = table.in_order(arguments["nodes"])
        nodes = {name: judge(found) for name, found in every.items()}
        lines = [
            line
            for key, title in TITLES.items()
            for line in table.section(title, ((text, name) for name, node in nodes.items() for text in node[key]))
        ]
        differing = exports.differing(every)
        lines += (
            ["", "Not the same on all nodes:", *(f"  {in_one_line(line)}" for line in differing)] if differing else []
        )
        nothing = [name for name, node in nodes.items() if not any(node.values())]
        lines += table.section("As good as new", (("nothing of others was found", name) for name in nothing))
        show("\n".join([*lines, ""]))
        report = {
            "format": FORMAT,
            "nodes": {name: {**nodes[name], "found": found} for name, found in arguments["nodes"].items()},
        }
        if arguments["path"]:
            report_files.replace(Path(arguments["path"]), json.dumps(sanitised(report), indent=2) + "\n")
        if arguments["exports"]:
            report_files.replace(Path(arguments["exports"]), exports.render(exports.of_nodes(every)))
        return {"changed": False, "nodes": nodes, "differing": differing}
