# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of GPUs by their ids."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import gpus

DATA = read_mapping(gpus.DATA)


@pytest.mark.parametrize(
    ("device_id", "name", "generation", "flavours", "window"),
    [
        ("0x15c2", "", "pascal", ["proprietary"], ("", 580)),
        ("0x102d", "K80", "kepler", [], ("", 470)),
        ("0x17fd", "", "maxwell", ["proprietary"], ("", 580)),
        ("0x15f8", "P100 PCIe 16GB", "pascal", ["proprietary"], ("", 580)),
        ("0x1725", "", "pascal", ["proprietary"], ("", 580)),
        ("0x1db1", "V100 SXM2 16GB", "volta", ["proprietary"], ("", 580)),
        ("0x1e00", "", "turing", ["open", "proprietary"], ("", None)),
        ("0x2187", "", "turing", ["open", "proprietary"], ("", None)),
        ("0x20B2", "A100 SXM4 80GB", "ampere", ["open", "proprietary"], ("", None)),
        ("0x2330", "H100 SXM5 80GB", "hopper", ["open", "proprietary"], ("", None)),
        ("0x2342", "GH200 120GB", "hopper", ["open"], ("535.146.02", None)),
        ("0x27b8", "L4", "ada", ["open", "proprietary"], ("", None)),
        ("0x2901", "B200", "blackwell", ["open"], ("570.86.15", None)),
        ("0x2bb5", "RTX PRO 6000 Blackwell Server Edition", "blackwell", ["open"], ("575.57.08", None)),
        ("0x31c2", "GB300", "blackwell", ["open"], ("580.82.07", None)),
        ("0x3182", "B300", "blackwell", ["open"], ("580.82.07", None)),
        ("0x3183", "", "blackwell", ["open"], ("570.86.15", None)),
        ("0x2941", "GB200", "blackwell", ["open"], ("570.124.04", None)),
        ("0x2bb9", "RTX 6000D", "blackwell", ["open"], ("580.82.07", None)),
        ("0x2c3a", "RTX PRO 4500 Blackwell Server Edition", "blackwell", ["open"], ("580.142", None)),
        ("0x2d83", "GeForce RTX 5050", "blackwell", ["open"], ("575.64.03", None)),
        ("0x2e12", "GB10", "blackwell", ["open"], ("580.119.02", None)),
        ("0x2335", "H200 SXM 141GB", "hopper", ["open", "proprietary"], ("550.90.07", None)),
        ("0x233b", "H200 NVL", "hopper", ["open", "proprietary"], ("565.57.01", None)),
        ("0x2348", "GH200 144GB HBM3e", "hopper", ["open"], ("565.57.01", None)),
        ("0x0fbf", "", "unknown", [], ("", None)),
        ("0x12bb", "", "unknown", [], ("", None)),
        ("0x1d57", "", "unknown", [], ("", None)),
        ("0x2a00", "", "unknown", [], ("", None)),
        ("0x3000", "", "unknown", [], ("", None)),
        ("0x3200", "", "unknown", [], ("", None)),
    ],
)
def test_rules(device_id: str, name: str, generation: str, flavours: list[str], window: tuple[str, int]) -> None:
    found = gpus.describe(device_id)
    assert (found["name"], found["generation"], found["flavours"]) == (name, generation, flavours)
    assert (found["min_version"], found["max_branch"]) == window
    assert found["min_branch"] == (int(window[0].split(".")[0]) if window[0] else None)
    assert found["required_flavour"] == (flavours[0] if len(flavours) == 1 else "")


@pytest.mark.parametrize(
    ("device_id", "unknown_to"),
    [
        ("0x2c3a", {"590": "590.48.01", "595": "595.45.04"}),
        ("0x2e12", {"590": "590.44.01"}),
        ("0x31c2", {}),
        ("0x1d57", {}),
    ],
)
def test_releases_of_later_branches_that_are_older_than_the_first_driver(
    device_id: str, unknown_to: dict[str, str]
) -> None:
    assert gpus.describe(device_id)["unknown_to"] == unknown_to


def test_every_named_gpu_has_a_generation() -> None:
    assert [device for device in DATA["names"] if gpus.describe(device)["generation"] == gpus.UNKNOWN] == []


def test_ranges_are_of_known_generations_and_lie_apart_or_within_each_other() -> None:
    ranges = [(entry["first"], entry["last"]) for entry in DATA["ranges"]]
    assert all(first <= last for first, last in ranges)
    assert all(
        one[1] < two[0] or two[1] < one[0] or (one[0] <= two[0] and two[1] <= one[1])
        for number, one in enumerate(ranges)
        for two in ranges[number + 1 :]
    )
    assert {entry["generation"] for entry in DATA["ranges"]} == set(DATA["generations"])


def test_the_name_that_a_driver_tells_counts() -> None:
    assert gpus.known({"device_id": "0x1eb8", "name": "Tesla T4"})["name"] == "Tesla T4"
    assert gpus.known({"device_id": "0x1eb8", "name": ""})["name"] == "T4"
