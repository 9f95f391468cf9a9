# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions a fleet has."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import in_use

HOME = "/opt/evenkeel/distributions"


def host(release: str = "", **layers: Any) -> dict[str, Any]:
    return {"release": release, "layers": {name: {"found": found} for name, found in layers.items()}}


def test_nodes() -> None:
    report = {
        "hosts": {
            "n1": host(
                "Debian 12",
                driver={"version": "580.65.06", "flavour": "open"},
                cuda={"toolkits": ["12.8", "13.0"]},
                distribution={"home": f"{HOME}/Miniconda3-py313_26.5.3-1-Linux-x86_64-7358a5961dc6"},
            ),
            "n2": host("Rocky 9.6", distribution={"home": f"{HOME}/Miniforge3-26.3.2-3-Linux-aarch64-7358a5961dc6-2"}),
            "n3": host(),
            "n4": host("Debian 12", driver={"flavour": "open"}, distribution={"home": "/opt/conda-of-others"}),
        }
    }
    assert in_use.together(in_use.by_nodes(report)) == {
        ("Debian", "12"): ["node n1", "node n4"],
        ("NVIDIA driver", "580.65.06"): ["node n1"],
        ("CUDA", "12.8"): ["node n1"],
        ("CUDA", "13.0"): ["node n1"],
        ("Miniconda", "py313_26.5.3-1"): ["node n1"],
        ("conda", "26.5.3"): ["node n1"],
        ("Rocky", "9.6"): ["node n2"],
        ("Miniforge", "26.3.2-3"): ["node n2"],
        ("conda", "26.3.2"): ["node n2"],
    }


@pytest.mark.parametrize(
    ("distribution", "version", "found"),
    [
        ("miniconda", "py313_26.5.3-1", [("Miniconda", "py313_26.5.3-1"), ("conda", "26.5.3")]),
        ("miniforge", "26.3.2-3", [("Miniforge", "26.3.2-3"), ("conda", "26.3.2")]),
        ("miniconda", "nonsense", [("Miniconda", "nonsense")]),
        ("nonsense", "1", [("nonsense", "1")]),
    ],
)
def test_declared_distributions_of_conda(distribution: str, version: str, found: list[tuple[str, str]]) -> None:
    declared = in_use.by_inventory({}, {"n1": (distribution, version)}, [])
    assert declared == [(*one, "declared for n1") for one in found]


def test_declared_drivers_and_targets() -> None:
    assert in_use.by_inventory({"n1": "580", "n2": ""}, {}, ["debian-12", "ubuntu-24.04", "arch-1"]) == [
        ("NVIDIA driver", "580", "declared for n1"),
        ("Debian", "12", "lock_targets"),
        ("Ubuntu", "24.04", "lock_targets"),
        ("arch", "1", "lock_targets"),
    ]


def test_a_lock() -> None:
    python = Package("python", "3.11.9", "0", "1a" * 32)
    lock = Lock(
        (),
        (),
        {"linux-64": (python, Package("tool", "1", "0", "1b" * 32)), "linux-aarch64": ()},
        {},
        {"linux-64": {"__cuda": "12.8"}},
    )
    assert in_use.by_lock("ai-dev", lock) == [
        ("Python", "3.11.9", "lock ai-dev (linux-64)"),
        ("CUDA", "12.8", "lock ai-dev (linux-64)"),
    ]
