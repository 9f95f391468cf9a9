# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernels playbooks/upgrade_driver.yml does not reboot into, and what it says where a node has failed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
VARIABLES = yaml.safe_load((PLAYBOOKS / "vars/upgrade_driver.yml").read_text())
STEPS = yaml.safe_load((PLAYBOOKS / "tasks/upgrade_node.yml").read_text())


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


@pytest.mark.parametrize(
    ("hook", "said"),
    [("", 'gpu1 stopped at "Reboot": x. '), ("/srv/hook.yml", 'gpu1 stopped at "Reboot" and stays drained: x. ')],
    ids=["not drained", "drained"],
)
def test_a_failed_node_is_called_drained_where_a_hook_has_drained_it(hook: str, said: str) -> None:
    (report,) = next(step["rescue"] for step in STEPS if "rescue" in step)
    known = {
        "inventory_hostname": "gpu1",
        "ansible_failed_task": {"name": "Reboot"},
        "ansible_failed_result": {"msg": "x."},
        "__upgrade_hook": hook,
    }
    shown = Templar(DataLoader(), known).template(trust_as_template(report["ansible.builtin.fail"]["msg"]))
    assert shown.startswith(said)
