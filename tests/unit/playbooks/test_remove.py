# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers remove.yml takes down, and which it refuses to: none before those that build on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[3]
VARIABLES = yaml.safe_load((ROOT / "playbooks/vars/remove.yml").read_text())
LAYERS = VARIABLES["__remove_layers"]
UNNAMED = [layer for layer in LAYERS if layer != "nvidia_driver"]
ROLES_OF_SITE = yaml.safe_load((ROOT / "playbooks/vars/roles.yml").read_text())["__roles_of_site"]


def value(name: str, **variables: Any) -> Any:
    """Return what a variable of the playbook is where others have these values."""
    trusted = {key: trust_as_template(one) if isinstance(one, str) else one for key, one in VARIABLES.items()}
    return Templar(DataLoader(), {**trusted, **variables}).template(trust_as_template(f"{{{{ {name} }}}}"))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, UNNAMED),
        ({"remove_layers": ""}, UNNAMED),
        ({"remove_layers": "jupyter, front_door"}, ["jupyter", "front_door"]),
        ({"remove_layers": ["jupyter"]}, ["jupyter"]),
    ],
)
def test_layers_are_named_as_a_list_or_separated_by_commas(given: dict[str, Any], named: list[str]) -> None:
    assert value("__remove_named", **given) == named


def test_layers_are_reported_in_the_order_in_which_they_are_named_and_go() -> None:
    assert value("__remove_refused", remove_layers="zsh, jupyter, bash, fish, csh") == ["zsh", "bash", "fish", "csh"]
    found = {"to_do": LAYERS, "layers": {}}
    gone = value("__remove_gone", __evenkeel_survey=found, __remove_last={"to_do": ["jupyter"]})
    assert gone == [layer for layer in UNNAMED if layer != "jupyter"]


def test_the_driver_goes_only_if_it_is_named_and_is_said_to_stay_otherwise() -> None:
    layer = {"changes": [{"task": "nvidia_driver"}], "left": ["the key"], "warnings": ["the key"], "reboot": ["loaded"]}
    found = {"to_do": ["jupyter", "nvidia_driver"], "layers": {"jupyter": {"left": ["a"]}, "nvidia_driver": layer}}
    assert "nvidia_driver" not in value("__remove_named")
    assert "nvidia_driver" in value("__remove_surveyed")
    assert value("__remove_all") is True
    assert value("__remove_left", __evenkeel_survey=found) == [
        "a",
        "nvidia_driver: it goes only if remove_layers names it",
    ]
    assert [value(name, __evenkeel_survey=found) for name in ("__remove_ends", "__remove_reboot")] == [[], []]
    named = {"remove_layers": "nvidia_driver", "__evenkeel_survey": found}
    assert value("__remove_going", **named) == ["nvidia_driver"]
    assert value("__remove_all", **named) is False
    assert value("__remove_left", **named) == ["a", "the key"]
    assert value("__remove_reboot", **named) == ["loaded"]
    assert value("__remove_left", __evenkeel_survey={"to_do": [], "layers": {}}) == []


def test_a_reboot_that_is_due_is_nothing_that_goes() -> None:
    named, layers = {"remove_layers": "nvidia_driver"}, {"nvidia_driver": {"reboot": ["the driver 1 is loaded"]}}
    waiting = {"to_do": ["nvidia_driver"], "layers": layers}
    assert value("__remove_going", **named, __evenkeel_survey=waiting) == []
    changes = {"to_do": ["nvidia_driver"], "layers": {"nvidia_driver": {"unknown": ["half-installed"]}}}
    assert value("__remove_gone", **named, __evenkeel_survey=changes, __remove_last=waiting) == ["nvidia_driver"]
    assert value("__remove_gone", **named, __evenkeel_survey=changes, __remove_last=changes) == []


@pytest.mark.parametrize(
    ("named", "ending"), [("nvidia_driver,jupyter", ["jupyter-proxy@*", "jupyter@*"]), ("nvidia_driver", [])]
)
def test_notebook_servers_that_go_first_do_not_keep_a_gpu_in_use(named: str, ending: list[str]) -> None:
    assert value("__nvidia_driver_ending", remove_layers=named) == ending


def test_a_mirror_is_of_other_machines_and_is_named_alone() -> None:
    alone = {"remove_layers": "package_mirror", "__evenkeel_survey": {"to_do": ["package_mirror"], "layers": {}}}
    assert value("__remove_refused", **alone) == []
    assert value("__remove_surveyed", **alone) == ["package_mirror"]
    assert value("__remove_going", **alone) == ["package_mirror"]
    assert value("__remove_all", **alone) is True
    assert value("__remove_refused", remove_layers="package_mirror,jupyter") == ["package_mirror"]
    assert "package_mirror" not in value("__remove_surveyed")


@pytest.mark.parametrize(
    ("given", "group"),
    [
        ({}, "gpu_nodes"),
        ({"remove_layers": ""}, "gpu_nodes"),
        ({"remove_layers": "jupyter,front_door"}, "gpu_nodes"),
        ({"remove_layers": "package_mirror"}, "package_mirrors"),
        ({"remove_layers": ["package_mirror"]}, "package_mirrors"),
    ],
)
def test_mirrors_are_hosts_of_a_group_of_their_own(given: dict[str, Any], group: str) -> None:
    required, play = yaml.safe_load((ROOT / "playbooks/remove.yml").read_text())
    assert required["vars"]["__wanted_hosts"] == play["hosts"]
    assert Templar(DataLoader(), given).template(trust_as_template(play["hosts"])) == group


def test_what_is_surveyed_is_what_is_named_and_what_builds_on_it() -> None:
    assert value("__remove_surveyed", remove_layers="jupyter") == ["front_door", "jupyter"]
    assert value("__remove_surveyed", remove_layers="front_door") == ["front_door"]
    assert value("__remove_surveyed") == LAYERS


@pytest.mark.parametrize(
    ("named", "there", "carrying"),
    [
        ("jupyter", ["front_door", "jupyter"], ["jupyter carries front_door"]),
        ("jupyter", ["jupyter"], []),
        ("jupyter,front_door", ["front_door", "jupyter"], []),
        ("conda_environments", ["jupyter"], ["conda_environments carries jupyter"]),
        ("", ["jupyter", "front_door"], []),
    ],
)
def test_a_layer_that_builds_on_one_that_goes_goes_too(named: str, there: list[str], carrying: list[str]) -> None:
    found = {"to_do": there, "layers": {}}
    assert value("__remove_carrying", remove_layers=named, __evenkeel_survey=found) == carrying


def test_layers_go_before_those_that_they_build_on() -> None:
    found = {"to_do": sorted(LAYERS), "layers": {}}
    going = value("__remove_going", remove_layers=",".join(reversed(LAYERS)), __evenkeel_survey=found)
    assert going == LAYERS
    for layer, others in VARIABLES["__remove_dependants"].items():
        assert all(LAYERS.index(other) < LAYERS.index(layer) for other in others if layer in LAYERS)


def test_every_role_can_be_removed() -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir()} - {"mirror"}
    assert {*LAYERS, *VARIABLES["__remove_of_mirrors"]} == roles
    assert {*VARIABLES["__remove_only_named"]} < {*LAYERS}


@pytest.mark.parametrize("layer", [*LAYERS, *VARIABLES["__remove_of_mirrors"]])
def test_the_switch_of_each_layer_is_off_and_the_command_line_can_not_turn_it_on(layer: str) -> None:
    enabled, state = f"{layer}_enabled", f"{layer}_state"
    assert VARIABLES.get(enabled, False) is False
    assert VARIABLES.get(state, "absent") == "absent"
    (switch,) = {enabled, state} & VARIABLES.keys()
    assert value("__remove_on") == []
    assert value("__remove_on", **{switch: "true" if switch == enabled else "present"}) == [switch]


def test_what_is_left_is_said_by_all_layers() -> None:
    survey = {"to_do": [], "layers": {"jupyter": {"left": ["a"]}, "front_door": {}}}
    assert value("__remove_left", __evenkeel_survey=survey) == ["a"]
    last = {"layers": {"jupyter": {"left": ["b", "c"]}}}
    assert value("__remove_left", __evenkeel_survey=survey, __remove_last=last) == ["b", "c"]
    assert value("__remove_left", __evenkeel_survey=survey, __remove_last={"skipped": True}) == ["a"]
