# SPDX-License-Identifier: GPL-3.0-or-later
"""When the role says that a node runs the driver that it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

VERIFY = Path(__file__).parents[3] / "roles" / "nvidia_driver" / "tasks" / "verify.yml"


def facts(loaded: str, installed: str, *, gpus: int = 1, nouveau: bool = False) -> dict[str, Any]:
    mismatch = len({loaded, installed} - {""}) > 1
    return {
        "gpus": [{}] * gpus,
        "driver": {"loaded": loaded, "installed": installed, "mismatch": mismatch},
        "nouveau": {"loaded": nouveau},
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (facts("580.1", "580.1"), ""),
        (facts("", "580.1", gpus=0), ""),
        (facts("", "580.1"), "none loaded and 580.1 installed, where 580.1 is declared"),
        (facts("", "580.1", nouveau=True), "nouveau loaded and 580.1 installed"),
        (facts("570.1", "580.1"), "570.1 loaded and 580.1 installed"),
        (facts("570.1", "570.1"), "570.1 loaded and 570.1 installed, where 580.1 is declared"),
        (facts("", "", gpus=0), "none loaded and none installed"),
    ],
)
def test_the_driver_is_loaded_installed_and_declared_in_one_version(found: dict[str, Any], words: str) -> None:
    _, require = yaml.safe_load(VERIFY.read_text())
    variables = {
        "inventory_hostname": "gpu01",
        "ansible_facts": {"evenkeel_gpu": found},
        "__nvidia_driver_result": {"version": "580.1"},
    }
    templar = Templar(DataLoader(), variables)
    task = require["ansible.builtin.assert"]
    verdicts = [templar.evaluate_conditional(trust_as_template(condition)) for condition in task["that"]]
    assert all(verdicts) == (not words)
    assert words in templar.template(trust_as_template(task["fail_msg"]))
