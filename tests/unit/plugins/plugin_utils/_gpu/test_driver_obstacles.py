# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a node's surroundings prevents a driver, and what limits its use."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_obstacles

from tests.unit.plugins import trees

INSTALLED = "580.178.04"


@pytest.mark.parametrize(
    ("tree", "version", "words"),
    [
        ("t4", INSTALLED, ""),
        ("wsl", INSTALLED, "driver belongs to Windows"),
        ("vgpu_guest", INSTALLED, "0000:02:00.0 (its host has the driver 550.90.05). It needs NVIDIA's GRID driver"),
        ("whole_gpu_in_guest", INSTALLED, ""),
        ("h100_passed_through", INSTALLED, "All GPUs of the node (0000:18:00.0) are passed through"),
        ("v100_and_b200_passed_through", INSTALLED, ""),
        ("ofed_and_nv_peer_mem", INSTALLED, ""),
        ("ofed_and_nv_peer_mem", "", ""),
        (
            "ofed_and_nv_peer_mem",
            "580.190.02",
            "built for the driver 580.178.04, and that nothing rebuilds for the driver 580.190.02",
        ),
    ],
)
def test_what_prevents_a_driver(tree: str, version: str, words: str, tmp_path: Path) -> None:
    found = driver_obstacles.problems(trees.facts(tree, tmp_path), version)
    assert words in "".join(found)
    assert len(found) == bool(words)


def test_a_vgpu_whose_host_is_unknown(tmp_path: Path) -> None:
    facts = trees.facts("vgpu_guest", tmp_path)
    facts["gpus"][0]["vgpu_host"] = ""
    assert "(its host has a driver of an unknown version)" in driver_obstacles.problems(facts, INSTALLED)[0]


@pytest.mark.parametrize(
    ("tree", "source", "words"),
    [
        ("t4", "nvidia", ""),
        ("b200", "nvidia", ""),
        ("eight_b200_without_switches", "nvidia", "lacks the InfiniBand devices"),
        ("eight_b200_without_modules", "nvidia", "lacks the kernel modules mlx5_ib and ib_umad"),
        ("gb300", "nvidia", "/etc/nvidia-imex/nodes_config.cfg"),
        ("ofed_and_nv_peer_mem", "nvidia", ""),
        ("ofed_and_nv_peer_mem", "distribution", "Set nvidia_driver_source to nvidia"),
    ],
)
def test_what_limits_the_use_of_a_driver(tree: str, source: str, words: str, tmp_path: Path) -> None:
    found = driver_obstacles.notes(trees.facts(tree, tmp_path), INSTALLED, source=source)
    assert words in "".join(found)
    assert len(found) == bool(words)


def test_a_module_for_older_network_drivers_is_to_be_built_again(tmp_path: Path) -> None:
    facts = trees.facts("t4", tmp_path)
    facts["peer_memory"] = {"ofed": True, "legacy": False, "stale": ["6.1.0-49-amd64"]}
    (note,) = driver_obstacles.notes(facts, INSTALLED, source="nvidia")
    assert f"dkms build --force nvidia/{INSTALLED} -k 6.1.0-49-amd64" in note
    assert driver_obstacles.notes(facts, "580.190.02", source="nvidia") == []
