# SPDX-License-Identifier: GPL-3.0-or-later
"""When the role says that a node runs the driver that it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[3] / "roles" / "nvidia_driver"
VERIFY, VARIABLES = ROLE / "tasks" / "verify.yml", ROLE / "vars" / "main.yml"


def facts(loaded: str, installed: str, *, gpus: int = 1, nouveau: bool = False) -> dict[str, Any]:
    """Return the facts of a node, of which modules are named as ``version flavour``."""
    loaded_version, _, loaded_flavour = loaded.partition(" ")
    version, _, flavour = installed.partition(" ")
    return {
        "gpus": [{"passed_through": False}] * gpus,
        "driver": {
            "loaded": loaded_version,
            "loaded_flavour": loaded_flavour,
            "installed": version,
            "installed_flavour": flavour,
            "mismatch": len({loaded_version, version} - {""}) > 1,
        },
        "nouveau": {"loaded": nouveau},
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts("580.1 open", "580.1 open"), ""),
        (facts("", "580.1 open", gpus=0), ""),
        (facts("", "580.1 open"), "none loaded and 580.1 open installed, where 580.1 open is declared"),
        (facts("", "580.1 open", nouveau=True), "nouveau loaded and 580.1 open installed"),
        (facts("570.1 open", "580.1 open"), "570.1 open loaded and 580.1 open installed"),
        (facts("570.1 open", "580.1 open", gpus=0), "570.1 open loaded and 580.1 open installed"),
        (
            facts("570.1 open", "570.1 open"),
            "570.1 open loaded and 570.1 open installed, where 580.1 open is declared",
        ),
        (facts("580.1 proprietary", "580.1 open"), "580.1 proprietary loaded and 580.1 open installed"),
        (facts("580.1 proprietary", "580.1 open", gpus=0), "580.1 proprietary loaded and 580.1 open installed"),
        (
            facts("580.1 proprietary", "580.1 proprietary"),
            "580.1 proprietary loaded and 580.1 proprietary installed, where 580.1 open is declared",
        ),
        (facts("", "", gpus=0), "none loaded and none installed"),
    ],
)
def test_the_driver_is_loaded_installed_and_declared_in_one_version_and_flavour(
    found: dict[str, Any], words: str
) -> None:
    verified, message = verdict(found, {"version": "580.1", "flavour": "open"})
    assert verified == (not words)
    assert words in message


def test_a_container_without_a_kernel_has_no_module_to_compare() -> None:
    verified, _ = verdict(facts("", "", gpus=0), {"version": "", "flavour": ""})
    assert verified


def verdict(found: dict[str, Any], result: dict[str, str]) -> tuple[bool, str]:
    """Return whether the role accepts these facts after this result of its module, and the message if not."""
    _, require = yaml.safe_load(VERIFY.read_text())
    variables = {
        "inventory_hostname": "gpu01",
        "ansible_facts": {"evenkeel_gpu": found},
        "__nvidia_driver_result": result,
        "__nvidia_driver_gpu": trust_as_template(yaml.safe_load(VARIABLES.read_text())["__nvidia_driver_gpu"]),
        **{name: trust_as_template(value) for name, value in require["vars"].items()},
    }
    templar = Templar(DataLoader(), variables)
    task = require["ansible.builtin.assert"]
    conditions = map(trust_as_template, task["that"])
    return all(map(templar.evaluate_conditional, conditions)), templar.template(trust_as_template(task["fail_msg"]))
