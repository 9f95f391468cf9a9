# SPDX-License-Identifier: GPL-3.0-or-later
"""rollback.yml goes back to the same packages on all nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PLAY = yaml.safe_load((Path(__file__).parents[3] / "playbooks" / "rollback.yml").read_text())[-1]
NAMES = [task["name"] for task in PLAY["tasks"]]
SAME = next(task for task in PLAY["tasks"] if task["name"].startswith("Require that all nodes go back to the same"))
OLD, OLDER = "0" * 64, "1" * 64


@pytest.mark.parametrize(
    ("digests", "said"),
    [
        ({"a": OLD, "b": OLD}, ""),
        ({"a": OLD, "b": None}, ""),
        ({}, ""),
        (
            {"a": OLD, "b": OLDER, "c": OLD},
            f"would go back to {OLD[:12]} on a, c; {OLDER[:12]} on b. Choose one of these",
        ),
    ],
    ids=["the same", "one without an answer", "no node", "different ones"],
)
def test_all_nodes_go_back_to_the_same_packages(digests: dict[str, str | None], said: str) -> None:
    hostvars = {
        node: {"inventory_hostname": node, "__rollback_shown": {"digest": digest} if digest else {}}
        for node, digest in digests.items()
    }
    variables: dict[str, Any] = {name: trust_as_template(text) for name, text in SAME["vars"].items()}
    known = {"hostvars": hostvars, "ansible_play_hosts": list(digests), "rollback_env": "ai-dev", **variables}
    templar, check = Templar(DataLoader(), known), SAME["ansible.builtin.assert"]
    assert templar.evaluate_conditional(trust_as_template(check["that"])) is not bool(said)
    assert said in templar.template(trust_as_template(check["fail_msg"]))


def test_it_is_known_before_anybody_is_asked() -> None:
    assert NAMES.index(SAME["name"]) < NAMES.index("Ask")
