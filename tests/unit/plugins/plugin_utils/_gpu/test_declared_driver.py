# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.declared_driver import Cuda, declared, in_common


@pytest.mark.parametrize(
    ("variables", "driver"),
    [
        ({}, "580"),
        ({"nvidia_driver_branch": "570"}, "570"),
        ({"nvidia_driver_branch": 570}, "570"),
        ({"nvidia_driver_version": "595.91.07"}, "595.91.07"),
        ({"nvidia_driver_branch": ""}, "580"),
        ({"nvidia_driver_source": "runfile"}, "580"),
        ({"nvidia_driver_source": "distribution"}, ""),
        ({"nvidia_driver_source": "distribution", "nvidia_driver_branch": "590"}, "590"),
        ({"nvidia_driver_without_gpu": False}, ""),
        ({"nvidia_driver_without_gpu": "no"}, ""),
        ({"nvidia_driver_state": "absent", "nvidia_driver_branch": "570"}, ""),
        ({"nvidia_driver_without_gpu": False, "nvidia_driver_branch": "570"}, "570"),
    ],
)
def test_a_driver_is_what_a_node_sets_or_gets(variables: dict[str, Any], driver: str) -> None:
    assert declared(variables, "580") == driver


@pytest.mark.parametrize(
    ("drivers", "cuda"),
    [
        ({}, Cuda()),
        ({"a": ""}, Cuda()),
        ({"a": "580"}, Cuda("13.0", "driver branch 580 of a")),
        ({"a": "580.65.06", "b": "570.26", "c": ""}, Cuda("12.8", "driver branch 570 of b")),
        ({"a": "580", "b": "580.178.04"}, Cuda("13.0", "driver branch 580 of a, b")),
        ({str(n): "535" for n in range(5)}, Cuda("12.2", "driver branch 535 of 0, 1, 2 and 2 more")),
    ],
)
def test_the_oldest_driver_counts(drivers: dict[str, str], cuda: Cuda) -> None:
    assert in_common(drivers) == cuda


@pytest.mark.parametrize("driver", ["latest", "390"])
def test_a_driver_whose_cuda_is_not_known_is_named(driver: str) -> None:
    with pytest.raises(EvenkeelError, match=f"that the driver {driver} of a supports is not known. Set lock_cuda"):
        in_common({"a": driver, "b": "580"})
