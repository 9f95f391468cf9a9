# SPDX-License-Identifier: GPL-3.0-or-later
"""drift.yml looks at all that site.yml changes, changes nothing, and loses no node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import layers

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"


def play(playbook: str, name: str) -> dict[str, Any]:
    plays = yaml.safe_load((PLAYBOOKS / f"{playbook}.yml").read_text())
    return next(one for one in plays if one["name"] == name)


SITE = play("site", "Bring every node to the declared state")
LOOK = play("drift", "Look at every node")
BLOCK = next(task for task in LOOK["tasks"] if task["name"] == "Survey the node")
SURVEY = next(task for task in BLOCK["block"] if "evenkeel.gpu.survey" in task)
GATHER = next(task for task in LOOK["tasks"] if task["name"] == "Gather facts where none are known")


def test_the_roles_are_those_of_the_site() -> None:
    assert SURVEY["evenkeel.gpu.survey"]["roles"] == SITE["vars"]["__site_roles"] == "{{ __roles_of_site }}"
    (known,) = (task for task in BLOCK["block"] if "ansible.builtin.import_tasks" in task)
    assert known in SITE["tasks"]


def test_the_survey_leaves_nothing_on_the_node_and_shows_differences() -> None:
    assert SURVEY["check_mode"] is True
    assert SURVEY["diff"] is True
    assert SURVEY["evenkeel.gpu.survey"]["by_item"] is True


def test_no_node_is_given_python() -> None:
    plays = yaml.safe_load((PLAYBOOKS / "drift.yml").read_text())
    assert [one["ansible.builtin.import_playbook"] for one in plays if "hosts" not in one] == [
        "plays/require_hosts.yml"
    ]
    assert "node_python" not in (PLAYBOOKS / "drift.yml").read_text()


def test_no_node_drops_out_of_the_report_or_waits_without_end() -> None:
    assert LOOK["ignore_unreachable"]
    assert not LOOK["gather_facts"]
    assert SURVEY["evenkeel.gpu.survey"]["fail"] is False
    for block, task in ((BLOCK, SURVEY), (GATHER, GATHER["block"][0])):
        assert block["rescue"]
        assert "drift_host_seconds" in task["timeout"]


def test_mirrors_that_are_all_down_do_not_end_the_run() -> None:
    mirror = next(task for task in LOOK["tasks"] if task["name"] == "Choose a mirror")
    assert mirror["vars"] == {"__mirror_may_be_silent": True}


def test_every_role_is_a_layer() -> None:
    of_site = yaml.safe_load((PLAYBOOKS / "vars" / "roles.yml").read_text())["__roles_of_site"]
    assert sorted(layers.ROLES.values()) == sorted(of_site)


def test_where_the_report_is_kept_is_looked_at_before_any_node() -> None:
    names = [task["name"] for task in LOOK["tasks"]]
    assert names.index("Require that the report can be kept") < names.index(GATHER["name"])
    assert play("drift", "Report")["module_defaults"] == LOOK["module_defaults"]


def test_a_limit_of_time_is_named_as_an_operator_sets_it() -> None:
    look = play("preflight", "Look at every node")
    block = next(task for task in look["tasks"] if task["name"] == "Look at what the node has")
    survey = next(task for task in block["block"] if "evenkeel.gpu.survey" in task)
    for name, options in (("drift", SURVEY["evenkeel.gpu.survey"]), ("preflight", survey["evenkeel.gpu.survey"])):
        variable = options["seconds_variable"]
        assert variable == f"{name}_seconds"
        assert options["seconds"].startswith(f"{{{{ {variable} | ")
