# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes rollout.yml switches when, and when it stops."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
VARIABLES = yaml.safe_load((PLAYBOOKS / "vars" / "rollout.yml").read_text())
_REQUIRED, _VALIDATED, BUILD, ENOUGH, SWITCH = yaml.safe_load((PLAYBOOKS / "rollout.yml").read_text())
STEPS = yaml.safe_load((PLAYBOOKS / "tasks" / "rollout.yml").read_text())
NODES = ["a", "b", "c", "d"]
BACK = ["ansible-playbook playbooks/rollback.yml"]
GO_ON = "To go on: correct what is shown above, and run the same command again."
BACK_BY = "To go back:"
FAILED = "of 4 nodes are as declared; failed or unreachable: "
#: The layers of a node with a user who has a problem.
TROUBLED = {"jupyter": {"user_problems": {"ana": ["x"]}}}


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value


def known(built: Iterable[str], **more: Any) -> Templar:
    """Return a templar that knows the playbook's variables, after these nodes have built."""
    hostvars = {
        name: {"inventory_hostname": name, **({"__rollout_built": True} if name in built else {})} for name in NODES
    }
    variables = {
        **trusted(VARIABLES),
        "groups": {"gpu_nodes": NODES},
        "hostvars": hostvars,
        "ansible_play_hosts_all": NODES,
        "ansible_run_tags": ["all"],
        "ansible_skip_tags": [],
        **more,
    }
    return Templar(DataLoader(), variables)


def step(beginning: str) -> dict[str, Any]:
    """Return the step of a node's change whose name begins so."""
    found: dict[str, Any] = next(task for task in STEPS if task["name"].startswith(beginning))
    return found


def test_all_that_site_yml_does_is_rolled_out() -> None:
    assert VARIABLES["__rollout_roles"].startswith("{{ __roles_of_site |")
    for play in (BUILD, SWITCH):
        assert "vars/roles.yml" in play["vars_files"]


@pytest.mark.parametrize(
    ("built", "more", "hosts", "serial"),
    [
        (NODES, {}, "a,b,c,d", [1, "100%"]),
        ("bcd", {}, "b,c,d", [1, "100%"]),
        (NODES, {"groups": {"gpu_nodes": NODES, "canary": ["c", "b"]}}, "b,c,a,d", [2, "100%"]),
        ("abd", {"groups": {"gpu_nodes": NODES, "canary": ["c", "b"]}}, "b,a,d", [1, "100%"]),
        ("ad", {"groups": {"gpu_nodes": NODES, "canary": ["c", "b"]}}, "a,d", [1, "100%"]),
        (NODES, {"groups": {"gpu_nodes": NODES, "first": ["d"]}, "rollout_canary": "first"}, "d,a,b,c", [1, "100%"]),
        (NODES, {"rollout_batch": [1, "10%"]}, "a,b,c,d", [1, 1, "10%"]),
        ([], {}, "!all", [0, "100%"]),
        (NODES, {"rollout_build_only": "true"}, "!all", [1, "100%"]),
    ],
    ids=[
        "the first",
        "the first that is there",
        "a group",
        "one of it",
        "none of it",
        "another",
        "batches",
        "none",
        "built",
    ],
)
def test_canaries_are_switched_first(built: Iterable[str], more: dict[str, Any], hosts: str, serial: list[Any]) -> None:
    templar = known(built, **more)
    assert templar.template(trust_as_template(SWITCH["hosts"])) == hosts
    assert templar.template(trust_as_template(SWITCH["serial"])) == serial


@pytest.mark.parametrize(
    ("built", "percentage", "goes_on"),
    [(NODES, 100, True), ("abc", 100, False), ("abc", 75, True), ("abc", 76, False), ("", 0, True)],
)
def test_nothing_is_switched_unless_enough_nodes_have_built(
    built: Iterable[str], percentage: int, goes_on: bool
) -> None:
    task, _report = ENOUGH["tasks"]
    templar = known(built, rollout_built_percentage=percentage)
    assert templar.evaluate_conditional(trust_as_template(task["ansible.builtin.assert"]["that"])) is goes_on


@pytest.mark.parametrize(
    ("only", "checked", "reported"), [("true", False, True), ("true", True, False), ("false", False, False)]
)
def test_a_run_that_only_builds_ends_with_what_is_to_come(only: str, checked: bool, reported: bool) -> None:
    _required, task = ENOUGH["tasks"]
    templar = known("abc", rollout_build_only=only, ansible_check_mode=checked)
    assert templar.evaluate_conditional(trust_as_template(task["when"])) is reported
    shown = templar.template(trust_as_template(task["ansible.builtin.debug"]["msg"]))
    assert shown.startswith("3 of 4 nodes have built. Nothing was switched: ")


@pytest.mark.parametrize(
    ("lost", "percentage", "goes_on"),
    [("", 0, True), ("b", 0, False), ("b", 25, True), ("bc", 25, False), ("a", 50, False)],
    ids=["none", "one", "as many as may be", "more", "a canary"],
)
def test_no_batch_begins_where_too_many_nodes_are_lost(lost: str, percentage: int, goes_on: bool) -> None:
    left = [name for name in NODES if name not in lost]
    stop = next(task for task in SWITCH["tasks"] if task["name"] == "Stop where too many nodes are lost")
    more = {"ansible_play_hosts": left, "rollout_max_fail_percentage": percentage, "__rollout_ways_back": BACK}
    templar, check = known(NODES, **more, **stop["vars"]), stop["ansible.builtin.assert"]
    assert templar.evaluate_conditional(trust_as_template(check["that"])) is goes_on
    first, *others = templar.template(trust_as_template(check["fail_msg"])).splitlines()
    assert first == f"Stopped: {len(lost)} of 4 nodes failed or can't be reached: {', '.join(lost)}."
    assert others == ["This run has changed no node.", GO_ON, BACK_BY, *BACK]


@pytest.mark.parametrize(
    ("before", "after", "worse"),
    [
        ({}, {}, []),
        ({"jupyter": {"user_problems": {"ana": ["x"]}}}, {"jupyter": {"user_problems": {"ana": ["y"]}}}, []),
        ({"condarc": {}}, {"jupyter": {"user_problems": {"ana": ["y"], "ben": ["z"]}}}, ["ana", "ben"]),
    ],
)
def test_users_problems_stop_a_rollout_only_where_it_brought_them(
    before: dict[str, Any], after: dict[str, Any], worse: list[str]
) -> None:
    templar = known(NODES, __rollout_before={"layers": before}, __rollout_after={"layers": after})
    assert templar.template(trust_as_template("{{ __rollout_users_worse }}")) == worse


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ({}, {}, ""),
        ({}, {"to_do": ["jupyter", "condarc"]}, "jupyter; condarc"),
        ({}, {"layers": {"jupyter": {"problems": ["no port"]}}}, "no port"),
        ({}, {"layers": TROUBLED}, "a problem of the user ana"),
        (
            {"jupyter": {"user_problems": {"ana": ["x"]}}},
            {"layers": {"jupyter": {"user_problems": {"ana": ["x"]}}}},
            "",
        ),
    ],
    ids=["nothing", "something to do", "a problem", "a user's new problem", "a user's old problem"],
)
def test_a_node_passes_where_it_is_as_declared_and_no_user_is_worse_off(
    before: dict[str, Any], after: dict[str, Any], wrong: str
) -> None:
    found = {"to_do": [], "layers": {}, **after}
    templar = known(NODES, inventory_hostname="a", __rollout_before={"layers": before}, __rollout_after=found)
    check = trusted(step("Require that the node is as declared")["ansible.builtin.assert"])
    assert templar.evaluate_conditional(check["that"]) is not bool(wrong)
    assert templar.template(check["fail_msg"]) == f"a is not as declared after the run: {wrong}."


@pytest.mark.parametrize(
    ("layers", "listed"),
    [
        ({"jupyter": {}, "condarc": {}}, []),
        (
            {"jupyter": {"restarts": ["jupyter@ana.service (env)"]}, "front_door": {"restarts": ["x"]}},
            ["jupyter@ana.service (env)", "x"],
        ),
    ],
)
def test_who_waits_for_a_restart_is_listed(layers: dict[str, Any], listed: list[str]) -> None:
    task = trusted(step("Report notebook servers"))
    templar = known(NODES, __rollout_after={"layers": layers})
    assert templar.evaluate_conditional(task["when"]) is bool(listed)
    assert templar.template(task["ansible.builtin.debug"]["msg"]) == listed


@pytest.mark.parametrize(
    ("passed", "changed", "lost", "back", "lines"),
    [
        ("ab", "b", "", BACK, ["2 of 4 nodes are as declared."]),
        ("", "", "a", [], [f"0 {FAILED}a.", "This run has changed no node.", GO_ON]),
        ("", "a", "a", BACK, [f"0 {FAILED}a.", "This run has changed a, and no other node.", GO_ON, BACK_BY, *BACK]),
        ("a", "ab", "bc", [], [f"1 {FAILED}b, c.", "This run has changed a, b, and no other node.", GO_ON]),
    ],
    ids=["all have passed", "before the canary", "the canary", "a layer without a way back"],
)
def test_the_last_words_say_what_was_changed_and_how_to_go_on_and_back(
    passed: str, changed: str, lost: str, back: list[str], lines: list[str]
) -> None:
    noted = {"__rollout_passed": passed, "__rollout_changed": changed}
    hostvars = {
        name: {"inventory_hostname": name, **{note: True for note, names in noted.items() if name in names}}
        for name in NODES
    }
    (report,) = SWITCH["tasks"][-1]["always"]
    left = [name for name in NODES if name not in lost]
    templar = known(NODES, hostvars=hostvars, ansible_play_hosts=left, __rollout_ways_back=back, **report["vars"])
    shown = templar.template(trust_as_template(report["ansible.builtin.debug"]["msg"]))
    assert shown.splitlines() == lines
    assert templar.template(trust_as_template(report["vars"]["__rollout_switched"])) == list(changed)


NO_SERVER = "it has no notebook server there. List it in jupyter_users."


@pytest.mark.parametrize(
    ("with_jupyter", "more", "problems"),
    [
        (True, {"__jupyter_servers_wanted": [{"name": "ana"}]}, []),
        (True, {"__jupyter_servers_wanted": [{"name": "ben"}]}, [NO_SERVER]),
        (
            True,
            {"__jupyter_servers_wanted": [{"name": "ana"}], "__rollout_before": {"layers": TROUBLED}},
            ["x"],
        ),
        (False, {}, []),
        (False, {"__rollout_listed": {"msg": "no such file"}}, [NO_SERVER]),
        (False, {"__rollout_of_jupyter": {"layers": TROUBLED}}, ["x"]),
        (
            False,
            {"__rollout_of_jupyter": {"layers": {"jupyter": {"problems": ["there is no user ana"]}}}},
            ["there is no user ana"],
        ),
    ],
    ids=["declared", "not declared", "has a problem", "on the node", "none there", "a problem there", "gone there"],
)
def test_an_account_that_can_not_compute_is_found_before_anything_is_built(
    with_jupyter: bool, more: dict[str, Any], problems: list[str]
) -> None:
    servers = {"servers": [{"user": "jupyter"}, {"user": "ana"}]}
    found = {
        "__rollout_with_jupyter": with_jupyter,
        "__rollout_before": {"layers": {}},
        "__rollout_of_jupyter": {"layers": {}},
        "__rollout_listed": {"content": base64.b64encode(json.dumps(servers).encode()).decode()},
        **more,
    }
    templar = known(NODES, rollout_account="ana", **found)
    assert templar.template(trust_as_template("{{ __rollout_account_problems }}")) == problems


def test_the_account_is_looked_at_before_the_build() -> None:
    names = [task["name"] for task in BUILD["tasks"]]
    assert names.index("Require an account that can compute") < names.index("Build, and switch nothing")


@pytest.mark.parametrize(("account", "units"), [("ana", ["jupyter@ana"]), ("ben", [])])
def test_the_account_that_computes_has_a_notebook_server(account: str, units: list[str]) -> None:
    servers = {"servers": [{"user": "jupyter", "unit": "jupyter@jupyter"}, {"user": "ana", "unit": "jupyter@ana"}]}
    listed = {"content": base64.b64encode(json.dumps(servers).encode()).decode()}
    templar = known(NODES, rollout_account=account, __rollout_listed=listed)
    found = templar.template(trust_as_template("{{ __rollout_servers }}"))
    assert [one["unit"] for one in found] == units
    check = step("Require a notebook server of the account")["ansible.builtin.assert"]
    assert templar.evaluate_conditional(trust_as_template(check["that"])) is bool(units)


def test_gpus_are_checked_on_every_node() -> None:
    """Facts of GPUs are known only where a role that needs them was surveyed."""
    assert step("Check every GPU") == {
        "name": "Check every GPU",
        "evenkeel.gpu.gpu_check": None,
        "when": "not ansible_check_mode",
    }


def test_the_way_back_has_the_inventories_and_the_playbook_of_the_run_in_one_line(tmp_path: Path) -> None:
    state = {"conda_environment small": {"was": "0" * 64, "digest": "1" * 64}}
    before = {"__rollout_before": {"layers": {"conda_environments": {"state": state}}}}
    hosts, playbook = tmp_path / "my hosts", tmp_path / "play" / "play.yml"
    hosts.write_text("b\n")
    playbook.parent.mkdir()
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(PLAYBOOKS / "vars" / "rollout.yml")],
        "tasks": [{"ansible.builtin.set_fact": before}, STEPS[1]],
    }
    playbook.write_text(json.dumps([play]))
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "play/play.yml", "-i", hosts, "-i", "a,"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(PLAYBOOKS.parent / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    command = f"ansible-playbook play/rollback.yml -i '{hosts}' -i a, -e rollback_env=small -e rollback_generation="
    assert f"{command}{'0' * 12}" in map(str.strip, done.stdout.splitlines()), done.stdout + done.stderr
