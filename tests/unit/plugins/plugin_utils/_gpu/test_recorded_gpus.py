# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of GPUs, against machines that `make record-reality` has seen: their drivers work there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import gpus
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import choose_flavour, window_problems

from lab.upstream import recorded


def differences(facts: Mapping[str, Any]) -> list[str]:
    """Return where what is known of a machine's GPUs contradicts the driver that works there."""
    driven = [gpu for gpu in gpus.merged(facts)["gpus"] if gpu["bound"] == "nvidia"]
    driver, flavour = facts["driver"]["loaded"], facts["driver"]["loaded_flavour"]
    unknown = [gpu["device_id"] for gpu in driven if gpu["generation"] == gpus.UNKNOWN]
    _flavour, problems, _warnings = choose_flavour(driven, flavour)
    return [*unknown, *problems, *window_problems(driven, driver.partition(".")[0], driver, flavour)]


def machine(device: str, driver: str, flavour: str = "open") -> dict[str, Any]:
    gpu = {
        "address": "0000:01:00.0",
        "device_id": device,
        "name": "",
        "bound": "nvidia",
        "passed_through": False,
        "vgpu": None,
        "vgpu_host": "",
    }
    return {"gpus": [gpu], "driver": {"loaded": driver, "loaded_flavour": flavour}}


@pytest.mark.parametrize("path", sorted(recorded.FOLDER.glob("gpu/*.json")), ids=lambda path: path.stem)
def test_a_machine_that_was_recorded(path: Path) -> None:
    assert differences(recorded.read(path)["data"]["facts"]) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (machine("0x2335", "580.95.05"), []),
        (machine("0x2335", "535.129.03"), ["550.90.07"]),
        (machine("0x1db1", "595.45.04", "proprietary"), ["580"]),
        (machine("0x2901", "580.95.05", "proprietary"), ["open"]),
        (machine("0x3fff", "580.95.05"), ["0x3fff"]),
    ],
)
def test_what_a_machine_contradicts_is_found(facts: dict[str, Any], words: list[str]) -> None:
    found = differences(facts)
    assert bool(found) == bool(words)
    assert all(word in "\n".join(found) for word in words)
