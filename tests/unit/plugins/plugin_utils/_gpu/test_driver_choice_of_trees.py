# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for every recorded tree, from its files to the choice."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import Wish
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from tests.unit.plugins import trees

DEBIAN = Platform("Debian", "12.11", "x86_64")
BRANCHES = ("535", "570", "580", "610")
#: By tree: the flavour, the branches that can be had, and whether the fabric manager comes along.
EXPECTED = {
    "no_gpu": ("open", BRANCHES, False),
    "no_pci": ("open", BRANCHES, False),
    "t4": ("open", BRANCHES, False),
    "v100": ("proprietary", ("535", "570", "580"), False),
    "v100_and_t4": ("proprietary", ("535", "570", "580"), False),
    "a100_with_nvswitch": ("open", BRANCHES, True),
    "h100_passed_through": ("", (), False),
    "h100_with_nvswitch": ("open", BRANCHES, True),
    "gh200": ("open", BRANCHES, False),
    "b200": ("open", ("570", "580", "610"), True),
    "v100_and_b200": ("", (), True),
    "unknown_gpu": ("", (), False),
    "nouveau_bound": ("proprietary", ("535", "570", "580"), False),
    "version_mismatch": ("proprietary", ("535", "570", "580"), False),
    "kernel_moved": ("open", BRANCHES, False),
    "weak_updates": ("open", BRANCHES, False),
    "kernel_removed": ("open", BRANCHES, False),
    "container": ("open", BRANCHES, False),
    "secure_boot": ("open", BRANCHES, False),
    "v100_and_b200_passed_through": ("proprietary", ("535", "570", "580"), False),
    "a40_with_virtual_functions": ("open", BRANCHES, False),
    "vgpu_guest": ("", (), False),
    "whole_gpu_in_guest": ("open", BRANCHES, False),
    "wsl": ("", (), False),
    "eight_b200_without_switches": ("open", ("570", "580", "610"), False),
    "eight_b200_without_modules": ("open", ("570", "580", "610"), True),
    "gb300": ("open", ("580", "610"), False),
    "ofed_and_nv_peer_mem": ("open", ("580",), False),
    "stale_cdi": ("open", BRANCHES, False),
    "efi_without_variables": ("open", BRANCHES, False),
    "secure_boot_without_variables": ("open", BRANCHES, False),
    "secure_boot_not_insisted_on": ("open", BRANCHES, False),
}


@pytest.mark.parametrize("name", trees.NAMES)
def test_every_tree_gets_its_driver(name: str, tmp_path: Path) -> None:
    facts = trees.facts(name, tmp_path)
    chosen = {branch: driver_choice.choose(facts, DEBIAN, Wish("nvidia", branch=branch)) for branch in BRANCHES}
    possible = {branch: one for branch, one in chosen.items() if not one["problems"]}
    flavour, branches, fabric = EXPECTED[name]
    assert tuple(possible) == branches
    assert {one["flavour"] for one in possible.values()} <= {flavour}
    assert all(one["fabric_manager"] is fabric for one in possible.values())
