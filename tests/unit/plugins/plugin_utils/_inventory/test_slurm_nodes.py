# SPDX-License-Identifier: GPL-3.0-or-later
"""What Slurm says of its nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._inventory.slurm_nodes import hosts


def answer(**node: Any) -> str:
    return json.dumps({"nodes": [{"name": "gpu1", **node}]})


@pytest.mark.parametrize(
    ("gres", "count", "types"),
    [
        ("", 0, []),
        (None, 0, []),
        ("gpu:8", 8, []),
        ("gpu:h100:8", 8, ["h100"]),
        ("gpu:H100:8(S:0-1)", 8, ["h100"]),
        ("gpu:a100:4(S:0,1),gpu:v100:2,shard:24", 6, ["a100", "v100"]),
        ("gpu:nvidia_a100_1g.10gb:7", 7, ["nvidia_a100_1g.10gb"]),
        ("license:3", 0, []),
    ],
)
def test_gpus(gres: str | None, count: int, types: list[str]) -> None:
    (node,) = hosts(answer(gres=gres)).values()
    assert (node["slurm_gpus"], node["slurm_gpu_types"]) == (count, types)


def test_an_older_release_writes_lists_as_text() -> None:
    (node,) = hosts(answer(features="hopper,nvlink", state="IDLE")).values()
    assert node["slurm_features"] == ["hopper", "nvlink"]
    assert node["slurm_state"] == ["idle"]


def test_the_address_is_that_of_slurm_unless_it_is_the_name() -> None:
    assert "ansible_host" not in hosts(answer(address="gpu1"))["gpu1"]
    assert hosts(answer(address="10.0.0.1"))["gpu1"]["ansible_host"] == "10.0.0.1"
    assert hosts(answer(address="fd00::1"))["gpu1"]["ansible_host"] == "fd00::1"


def test_only_what_is_asked_for_in_that_order() -> None:
    text = json.dumps({"nodes": [{"name": f"gpu{number}"} for number in range(4)]})
    assert list(hosts(text, ["gpu3", "gpu1"])) == ["gpu3", "gpu1"]


@pytest.mark.parametrize(
    ("text", "wanted", "why"),
    [
        ("", [], "no JSON with nodes"),
        ("slurm_load_node error", [], "no JSON with nodes"),
        ("[]", [], "no JSON with nodes"),
        ('{"nodes": [1]}', [], "no JSON with nodes"),
        ('{"nodes": [{}]}', [], "no JSON with nodes"),
        (answer(), ["gpu1", "gpu2"], "no node gpu2. Change the option nodes"),
        (answer(), [f"gpu{n}" for n in range(2, 12)], "gpu6 and 5 more"),
        (answer(address="-oProxyCommand=x"), [], "neither a name nor an address"),
        ('{"nodes": [{"name": "{{ x }}"}]}', [], "neither a name nor an address"),
    ],
)
def test_what_is_refused(text: str, wanted: list[str], why: str) -> None:
    with pytest.raises(EvenkeelError) as error:
        hosts(text, wanted)
    assert why in str(error.value)
