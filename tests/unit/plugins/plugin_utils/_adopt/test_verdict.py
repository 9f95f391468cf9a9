# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of what others have set up."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._adopt.verdict import judge

BASE = {
    "path": "/opt/conda",
    "kind": "distribution",
    "owner": "root",
    "packages": 450,
    "bytes": 5 << 30,
    "measured": True,
}
NLP = {**BASE, "path": "/opt/conda/envs/nlp", "kind": "environment", "packages": 107}
UNIT = {
    "unit": "lab.service",
    "path": "/etc/systemd/system/lab.service",
    "user": "root",
    "pid": 10,
    "enabled": True,
    "running": True,
    "listens": ["0.0.0.0:8888"],
}


@pytest.mark.parametrize(
    ("found", "key", "line"),
    [
        ({"conda": [BASE]}, "stay", "/opt/conda: distribution of root, 450 packages, 5.0G"),
        ({"conda": [NLP]}, "take_over", "/opt/conda/envs/nlp: environment of root, 107 packages, 5.0G"),
        (
            {"conda": [{**NLP, "measured": False}]},
            "take_over",
            "/opt/conda/envs/nlp: environment of root, 107 packages, more than 5.0G",
        ),
        (
            {"conda": [{**NLP, "measured": False, "bytes": 0}]},
            "take_over",
            "/opt/conda/envs/nlp: environment of root, 107 packages, not measured",
        ),
        (
            {"servers": [UNIT]},
            "stop",
            "lab.service: a notebook server as root, open to others on 0.0.0.0:8888 "
            "(`systemctl disable --now lab.service`)",
        ),
        (
            {"servers": [{**UNIT, "running": False, "listens": []}]},
            "stop",
            "lab.service: a notebook server as root, which does not run (`systemctl disable lab.service`)",
        ),
        (
            {"servers": [{**UNIT, "running": False, "enabled": False, "listens": []}]},
            "stay",
            "lab.service: a notebook server as root, which does not run",
        ),
        (
            {"servers": [{**UNIT, "path": "", "unit": "session-3.scope", "listens": ["127.0.0.1:9", "[::1]:9"]}]},
            "stop",
            "process 10: a notebook server as root (`kill 10`)",
        ),
        ({"set_up_by": [{"name": "DeepOps", "path": "/x"}]}, "stay", "DeepOps has set up the node: /x"),
        (
            {"runfile": "550.1"},
            "stay",
            "the driver 550.1 of NVIDIA's installer, unless nvidia_driver_remove_leftovers is true",
        ),
        ({"unread": ["ana: hangs"]}, "unread", "ana: hangs"),
        ({"failed": "No route to host"}, "unread", "No route to host"),
    ],
)
def test_judge(found: dict[str, Any], key: str, line: str) -> None:
    lines = judge(found)
    assert lines.pop(key) == [line]
    assert not any(lines.values())


def test_a_node_without_a_past() -> None:
    assert not any(judge({"conda": [], "servers": [], "set_up_by": [], "runfile": "", "unread": []}).values())
