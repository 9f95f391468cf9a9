# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from reality.parts import packages
from reality.parts.packages import sets
from reality.run import known_parts
from reality.world import World

DEBIAN, UBUNTU = Platform("Debian", "12", "x86_64"), Platform("Ubuntu", "26.04", "x86_64")
ROCKY = Platform("Rocky", "9", "aarch64")


def keys(platform: Platform) -> list[str]:
    return [one.key for one in sets.wanted(platform)]


@pytest.mark.parametrize(
    ("platform", "key", "is_there"),
    [
        (DEBIAN, "nvidia/580/open/compute", True),
        (DEBIAN, "nvidia/580/proprietary/graphics", True),
        (DEBIAN, "nvidia/580/open/NVSwitch", True),
        (DEBIAN, "nvidia/580/proprietary/NVSwitch", False),
        (DEBIAN, "distribution/535/open/compute", True),
        (UBUNTU, "nvidia/580/open/compute", False),
        (UBUNTU, "nvidia/590/open/compute", True),
        (UBUNTU, "distribution/580/open/graphics", True),
        (ROCKY, "nvidia/610/proprietary/compute", True),
        (ROCKY, "distribution/580/open/compute", False),
        (DEBIAN, "cuda/12.8", True),
        (ROCKY, "cuda/13.0", True),
        (UBUNTU, "container/1.20.1", True),
    ],
)
def test_what_the_role_would_ask_for(platform: Platform, key: str, is_there: bool) -> None:
    assert (key in keys(platform)) is is_there
    assert len(keys(platform)) == len(set(keys(platform)))


def test_what_the_libraries_of_a_toolkit_are() -> None:
    found = {one.key: one for one in sets.wanted(ROCKY) if one.role == sets.CUDA}
    asked = found["cuda/12.8"].asked
    assert [one["name"] for one in asked["packages"]] == [
        "cuda-toolkit-12-8",
        "libcudnn9-cuda-12",
        "libcudnn9-devel-cuda-12",
    ]
    assert asked["nccl"] == ["libnccl", "libnccl-devel"]
    assert [len(found["cuda/11.8"].asked[name]) for name in ("packages", "nccl")] == [1, 0]


@pytest.mark.parametrize(
    ("platform", "names"),
    [
        (DEBIAN, ["linux-image-amd64", "linux-image-cloud-amd64"]),
        (UBUNTU, ["linux-image-generic", "linux-image-virtual", "linux-image-generic-hwe-26.04"]),
        (ROCKY, ["kernel"]),
    ],
)
def test_what_brings_kernels(platform: Platform, names: list[str]) -> None:
    assert sets.kernels(platform) == names


def test_claims_are_of_every_platform_and_unique(world: World) -> None:
    claims = list(packages.claims(world))
    assert known_parts()["packages"] is packages
    assert len({claim.id for claim in claims}) == len(claims)
    assert {claim.id.split("/")[1] for claim in claims} == {sets.name_of(one) for one in sets.platforms()}
    pinned = {claim.id.split("-")[0] for claim in claims if claim.subject == packages.PINS}
    assert pinned == {"packages/Debian", "packages/Ubuntu"}
