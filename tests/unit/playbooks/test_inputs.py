# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook validates its inputs first, and its inputs are those of its specification."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.action.validate_inputs import COMMAND_LINE_ONLY

ROOT = Path(__file__).parents[3]
PLAYBOOKS = ROOT / "playbooks"
SPECIFICATION = yaml.safe_load((PLAYBOOKS / "meta" / "argument_specs.yml").read_text())["argument_specs"]
NAMES = sorted(path.stem for path in PLAYBOOKS.glob("*.yml"))
PLUGINS = "\n".join(path.read_text() for path in (ROOT / "plugins" / "plugin_utils").rglob("*.py"))
#: What the playbook hands to its hooks.
HANDED_ON = {"upgrade_step"}
BATCHES = "Give a number from 1, a percentage from 1% to 100%, or a list of these."
HINT = "Names that belong to something else can be added to evenkeel_known_variables."


def options(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SPECIFICATION[name]["options"]
    return found


def source(name: str) -> str:
    """Return a playbook and the files that are parts of it."""
    parts = [PLAYBOOKS / "vars" / f"{name}.yml", PLAYBOOKS / "tasks" / f"{name.replace('driver', 'node')}.yml"]
    hooks = PLAYBOOKS.glob("hooks/*.yml") if name == "upgrade_driver" else ()
    return "\n".join(path.read_text() for path in [PLAYBOOKS / f"{name}.yml", *parts, *hooks] if path.exists())


def plays(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what requires a host, and the plays that follow it until the playbook's own first one."""
    required, *rest = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text())
    found = []
    for play in rest:
        imported = play.get("ansible.builtin.import_playbook")
        found += yaml.safe_load((PLAYBOOKS / imported).read_text()) if imported else [play]
        if not imported:
            return required, found
    raise AssertionError(f"{name} has no play of its own")


@pytest.mark.parametrize("name", NAMES)
def test_a_playbook_validates_its_inputs_first(name: str) -> None:
    _required, found = plays(name)
    for play in found:
        first = play["tasks"][0]
        assert first["evenkeel.gpu.validate_inputs"] == {"playbook": name}
        assert first["run_once"]


@pytest.mark.parametrize("name", NAMES)
def test_a_playbook_requires_a_host_before_that(name: str) -> None:
    required, found = plays(name)
    assert required["ansible.builtin.import_playbook"] == "plays/require_hosts.yml"
    assert required["vars"] == {"__wanted_hosts": found[-1]["hosts"]}


def made_with(name: str) -> str:
    """Return what a playbook's plays are made with, with the variables of its own that this refers to."""
    file = PLAYBOOKS / "vars" / f"{name}.yml"
    variables = yaml.safe_load(file.read_text()) if file.exists() else {}
    plays = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text())
    words = ("hosts", "serial", "timeout", "max_fail_percentage")
    found = " ".join(str(play[word]) for play in plays for word in words if word in play)
    return found + " ".join(str(value) for variable, value in variables.items() if variable in found)


def test_only_the_command_line_sets_what_a_play_is_made_with() -> None:
    read = {
        name: set(re.findall(rf"(?<!_){name.partition('_')[0]}_\w+", made_with(name))) for name in COMMAND_LINE_ONLY
    }
    assert read == {name: set(inputs) for name, inputs in COMMAND_LINE_ONLY.items()}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "site"])
def test_inputs_are_those_of_the_specification(name: str) -> None:
    prefix = f"{name.partition('_')[0]}_"
    text = "\n".join(line for line in source(name).splitlines() if not line.lstrip().startswith("#"))
    text = re.sub(r"evenkeel\.gpu\.\w+", "", text)
    used = set(re.findall(rf"(?<![\w/'-]){prefix}\w+(?!\w*[.\w])", text)) - {name}
    by_plugins = {option for option in options(name) if f'"{option}"' in PLUGINS}
    assert used - HANDED_ON | by_plugins == set(options(name))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "site"])
def test_documented_defaults_are_those_in_use(name: str) -> None:
    used = dict(re.findall(r"(\w+) \| default\((true|false|\d+|'[\w.-]*'|\[[^\]]*\]|\{\})\)", source(name)))
    for option, description in options(name).items():
        if option in used and "default" in description:
            assert yaml.safe_load(used[option]) == description["default"], option


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ("rollback -e rollback_evn=a", ["There is no variable rollback_evn. Use rollback_env instead.", HINT]),
        ("rollback -e env=a", ["env has another name now. Set rollback_env instead."]),
        ("rollback", ["rollback_env is not set. Set it to the environment's name."]),
        ("compare -e compare_strict=nope", ["compare_strict is 'nope'. Set it to true or false."]),
        ("rollout -e rollout_build_batch=a", [f"rollout_build_batch is 'a'. {BATCHES}"]),
        ("rollout -e rollout_batch=0", [f"rollout_batch is '0'. {BATCHES}"]),
        ("rollout -e rollout_task_timeout=a", ["rollout_task_timeout is 'a'. Set it to a whole number."]),
        ("upgrade_driver -e upgrade_serial=0", [f"upgrade_serial is '0'. {BATCHES}"]),
        (
            "upgrade_driver -e upgrade_max_fail_percentage=a",
            ["upgrade_max_fail_percentage is 'a'. Set it to a number."],
        ),
        (
            "site -e evenkeel_miror=tuna -e jupyter_prot=1",
            [
                "There is no variable evenkeel_miror. Use evenkeel_mirror instead.",
                "There is no variable jupyter_prot. Use jupyter_port instead.",
                HINT,
            ],
        ),
    ],
)
def test_a_wrong_input_is_refused_before_anything_else(arguments: str, lines: list[str]) -> None:
    name, *more = arguments.split()
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventories/localhost", f"playbooks/{name}.yml"]
    environment = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_GATHERING": "explicit", "ANSIBLE_NOCOLOR": "1"}
    environment |= {"ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(
        ["env", *(f"{key}={value}" for key, value in environment.items()), *command, *more],
        check=False,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert '"msg": "{}"'.format("\\n".join(lines)) in done.stdout
    assert done.stdout.count("TASK [") == 2
