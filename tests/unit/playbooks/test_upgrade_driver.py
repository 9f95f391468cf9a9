# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels playbooks/upgrade_driver.yml does not reboot into."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

VARIABLES = yaml.safe_load((Path(__file__).parents[3] / "playbooks/vars/upgrade_driver.yml").read_text())


@pytest.mark.parametrize(
    ("module", "flavour", "refused"),
    [
        ("580.1", "open", []),
        ("580.1", "proprietary", ["6.2"]),
        ("570.1", "open", ["6.2"]),
        ("", "", ["6.2"]),
    ],
)
def test_a_kernel_without_the_module_of_version_and_flavour_is_not_booted(
    module: str, flavour: str, refused: list[str]
) -> None:
    kernels = [
        {"release": "6.1", "module": "580.1", "flavour": "open"},
        {"release": "6.2", "module": module, "flavour": flavour},
    ]
    result = {"version": "580.1", "flavour": "open", "kernels": kernels}
    templar = Templar(DataLoader(), {"__nvidia_driver_result": result})
    assert templar.template(trust_as_template(VARIABLES["__upgrade_without_module"])) == refused
