# SPDX-License-Identifier: GPL-3.0-or-later
"""When site.yml begins to build environments before the driver is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PLAYS = yaml.safe_load((Path(__file__).parents[3] / "playbooks" / "site.yml").read_text())
(CHANGE,) = (task["block"] for task in PLAYS[-1]["tasks"] if "block" in task)
BEGIN = next(task for task in CHANGE if task["name"] == "Begin to build environments")


@pytest.mark.parametrize(
    ("survey", "locked", "begins"),
    [
        ({"to_do": ["miniconda", "nvidia_driver", "conda_environments"]}, True, True),
        ({"to_do": ["cuda_toolkit", "conda_environments"]}, True, True),
        ({"to_do": ["nvidia_driver", "conda_environments"]}, False, False),
        ({"to_do": ["miniconda", "conda_environments", "jupyter"]}, True, False),
        ({"to_do": ["nvidia_driver"]}, True, False),
        ({"skipped": True}, True, False),
    ],
    ids=["a first run", "CUDA", "without a lock", "no driver", "no environment", "no survey"],
)
def test_builds_begin_where_there_is_something_to_wait_for(survey: dict[str, Any], locked: bool, begins: bool) -> None:
    templar = Templar(DataLoader(), {"__evenkeel_survey": survey, "__conda_environments_locked": locked})
    assert all(templar.evaluate_conditional(trust_as_template(one)) for one in BEGIN["when"]) is begins
