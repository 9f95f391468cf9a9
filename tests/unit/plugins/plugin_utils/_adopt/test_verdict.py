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
    "fingerprint": "0a1b2c3d",
    "in_the_way": False,
    "bytes": 5 << 30,
    "measured": True,
}
NLP = {**BASE, "path": "/opt/conda/envs/nlp", "kind": "environment", "packages": 107}
UNIT = {
    "unit": "lab.service",
    "path": "/etc/systemd/system/lab.service",
    "user": "root",
    "folder": "",
    "pid": 10,
    "enabled": True,
    "running": True,
    "listens": ["0.0.0.0:8888"],
}


@pytest.mark.parametrize(
    ("found", "key", "line"),
    [
        ({"conda": [BASE]}, "stay", "/opt/conda: distribution of root, 450 packages (0a1b2c3d), 5.0G"),
        ({"conda": [NLP]}, "take_over", "/opt/conda/envs/nlp: environment of root, 107 packages (0a1b2c3d), 5.0G"),
        (
            {"conda": [{**NLP, "packages": 0}]},
            "stay",
            "/opt/conda/envs/nlp: environment of root, 0 packages (0a1b2c3d), 5.0G",
        ),
        (
            {"conda": [{**NLP, "measured": False}]},
            "take_over",
            "/opt/conda/envs/nlp: environment of root, 107 packages (0a1b2c3d), more than 5.0G",
        ),
        (
            {"conda": [{**NLP, "measured": False, "bytes": 0}]},
            "take_over",
            "/opt/conda/envs/nlp: environment of root, 107 packages (0a1b2c3d), not measured",
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
        (
            {"servers": [{**UNIT, "folder": "/root/notebooks"}]},
            "stop",
            "lab.service: a notebook server as root, open to others on 0.0.0.0:8888, with the notebooks in "
            "/root/notebooks (`systemctl disable --now lab.service`)",
        ),
        (
            {"settings": [{"path": "/root/.condarc", "kind": "condarc"}]},
            "stay",
            "/root/.condarc: settings of conda, which for this user win over the node's",
        ),
        (
            {"settings": [{"path": "/root/.bashrc", "kind": "start"}]},
            "stay",
            "/root/.bashrc: starts another conda in this user's shells, until `conda init --reverse`",
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


def test_a_distribution_in_the_way_stays_and_is_named() -> None:
    lines = judge({"conda": [{**BASE, "path": "/opt/miniconda3", "in_the_way": True}]})
    assert len(lines["stay"]) == 1
    assert lines["in_the_way"] == [
        "/opt/miniconda3: where Evenkeel's distribution is to be, root has another one; set miniconda_prefix to "
        "another path, such as /opt/evenkeel/miniconda3"
    ]


def test_a_node_without_a_past() -> None:
    assert not any(judge({"conda": [], "servers": [], "set_up_by": [], "runfile": "", "unread": []}).values())
