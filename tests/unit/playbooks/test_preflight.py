# SPDX-License-Identifier: GPL-3.0-or-later
"""preflight.yml looks at all that site.yml changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"


def play(playbook: str, name: str) -> dict[str, Any]:
    plays = yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text())
    return next(one for one in plays if one["name"] == name)


SITE = play("site", "Bring every node to the declared state")
LOOK = play("preflight", "Look at every node")
BLOCK = next(task["block"] for task in LOOK["tasks"] if task["name"] == "Look at what the node has")
SURVEY = next(task for task in BLOCK if "evenkeel.gpu.survey" in task)


def test_the_roles_are_those_of_the_site() -> None:
    assert SURVEY["evenkeel.gpu.survey"]["roles"] == SITE["vars"]["__site_roles"] == "{{ __roles_of_site }}"
    (known,) = (task for task in BLOCK if "ansible.builtin.import_tasks" in task)
    assert known in SITE["tasks"]


def test_the_survey_leaves_nothing_on_the_node() -> None:
    assert SURVEY["check_mode"] is True


def test_no_node_drops_out_of_the_report() -> None:
    assert LOOK["ignore_unreachable"]
    assert not LOOK["gather_facts"]
    for task in BLOCK:
        if {"evenkeel.gpu.survey", "evenkeel.gpu.preflight"} & task.keys():
            assert task["failed_when"] is False


def test_mirrors_that_are_all_down_do_not_end_the_run() -> None:
    mirror = next(task for task in LOOK["tasks"] if task["name"] == "Choose a mirror")
    assert mirror["vars"] == {"__mirror_may_be_silent": True}
