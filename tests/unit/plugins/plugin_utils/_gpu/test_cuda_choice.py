# SPDX-License-Identifier: GPL-3.0-or-later
"""CUDA toolkits: their packages, and what in a driver and in GPUs speaks against them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import cuda_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.cuda_choice import Toolkit, Wish
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

DEBIAN = Platform("Debian", "12.11", "x86_64")
ROCKY = Platform("Rocky", "9.4", "x86_64")
V100 = {"device_id": "0x1db1", "name": "Tesla V100", "generation": "volta", "max_cuda": "12", "passed_through": False}
H100 = {"device_id": "0x2330", "name": "H100", "generation": "hopper", "max_cuda": "", "passed_through": False}
DATA = read_mapping(cuda_choice.DATA)


def choose(platform: Platform = DEBIAN, gpus: tuple[dict[str, Any], ...] = (), **wish: Any) -> dict[str, Any]:
    facts = {"gpus": list(gpus)} if gpus else {}
    return cuda_choice.choose(facts, platform, Wish(**{"driver_version": "615.71.09", **wish}))


def packages(chosen: dict[str, Any]) -> list[str]:
    assert chosen["problems"] == []
    return [f"{one['name']}={one['version']}" for one in chosen["packages"]]


@pytest.mark.parametrize(
    ("platform", "wish", "expected"),
    [
        (DEBIAN, {"versions": []}, []),
        (DEBIAN, {"versions": ["12.8", "13.0.2"]}, ["cuda-toolkit-12-8=", "cuda-toolkit-13-0=13.0.2"]),
        (
            DEBIAN,
            {"versions": ["12.8", "13.0"], "default": "12.8", "cudnn": "9.8.0.87"},
            [
                *("cuda-toolkit-12-8=", "cuda-toolkit-13-0="),
                *("libcudnn9-cuda-12=9.8.0.87", "libcudnn9-dev-cuda-12=9.8.0.87"),
            ],
        ),
        (
            ROCKY,
            {"versions": ["13.0"], "cudnn": "9", "nccl": "2.27.7-1+cuda13.0"},
            [
                *("cuda-toolkit-13-0=", "libcudnn9-cuda-13=", "libcudnn9-devel-cuda-13="),
                *("libnccl=2.27.7-1+cuda13.0", "libnccl-devel=2.27.7-1+cuda13.0"),
            ],
        ),
    ],
)
def test_a_list_becomes_packages(platform: Platform, wish: dict[str, Any], expected: list[str]) -> None:
    assert packages(choose(platform, **wish)) == expected


@pytest.mark.parametrize(
    ("versions", "default", "expected"),
    [
        ([], "", ""),
        (["12.8", "12.10", "12.9"], "", "12.10"),
        (["12.8", "13.0"], "12.8", "12.8"),
        (["12.8.1", "13.0"], "12.8", "12.8"),
        (["12.8.1", "13.0"], "12.8.1", "12.8"),
    ],
)
def test_the_default_is_the_newest_unless_another_is_named(versions: list[str], default: str, expected: str) -> None:
    chosen = choose(versions=versions, default=default)
    assert chosen["default"] == expected
    assert chosen["problems"] == []


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"versions": ["13"]}, "'13', which is not a version in quotes."),
        ({"versions": [12.8]}, 'YAML reads 12.8 as a number: write "12.8"'),
        ({"versions": ["latest"]}, "'latest', which is not a version"),
        ({"versions": ["13.0", "13.0.2"]}, "holds CUDA 13.0 twice"),
        (
            {"versions": ["13.0"], "default": "12.8"},
            "cuda_toolkit_default is 12.8, and cuda_toolkit_versions lists 13.0",
        ),
        ({"default": "12.8"}, "lists nothing"),
        ({"cudnn": "9"}, "cuda_toolkit_versions is empty"),
        ({"versions": ["13.0"], "cudnn": "8.9.7"}, "cuda_toolkit_cudnn is '8.9.7'"),
        ({"versions": ["13.0"], "nccl": "2.27.7"}, "such as 2.27.7-1+cuda13.0"),
        ({"versions": ["13.0"], "nccl": "2.27.7-1+cuda12.9"}, "the default toolkit is of CUDA 13"),
        ({"versions": ["13.0"], "driver_version": "new"}, "cuda_toolkit_driver_version is 'new'"),
    ],
)
def test_what_cannot_be_meant_is_a_problem(wish: dict[str, Any], words: str) -> None:
    chosen = choose(**wish)
    assert list(chosen) == ["problems", "notes"]
    assert words in chosen["problems"][0]


def test_a_platform_without_packages_is_a_problem() -> None:
    (problem,) = choose(Platform("Debian", "11.2", "x86_64"), versions=["13.0"])["problems"]
    assert "does not support NVIDIA's packages on Debian 11.2" in problem


@pytest.mark.parametrize(
    ("version", "driver", "verdict"),
    [
        # Below the floor of the major version.
        ("13.0", "575.57.08", "problem"),
        ("13.0", "579", "problem"),
        ("12.8", "520.61.05", "problem"),
        ("11.8", "440.33.01", "problem"),
        # Between the floor and the toolkit's own driver.
        ("13.0", "580.65.06", "note"),
        ("13.0.2", "580.82.07", "note"),
        ("13.2", "580.178.04", "note"),
        ("12.8", "525.60.13", "note"),
        ("12.8", "570.26", "note"),
        ("11.8", "515", "note"),
        # The toolkit's own driver, or a newer one.
        ("13.0.0", "580.65.06", "fine"),
        ("13.0.1", "580.82.07", "fine"),
        ("13.0", "580.95.05", "fine"),
        ("13.0", "580", "fine"),
        ("12.8", "570.211.01", "fine"),
        ("12.8", "615", "fine"),
        # A toolkit that came after the data: what is known of its major version still counts.
        ("13.9", "610.57.04", "fine"),
        ("13.9", "575.57.08", "problem"),
        ("14.0", "700.10.01", "problem"),
    ],
)
def test_both_bounds_of_the_driver(version: str, driver: str, verdict: str) -> None:
    problems, notes = cuda_choice.driver_verdicts(cuda_choice.parse([version]), driver)
    assert (len(problems), len(notes)) == {"problem": (1, 0), "note": (0, 1), "fine": (0, 0)}[verdict]


def test_a_driver_below_the_floor_is_told_with_the_ways_out() -> None:
    (problem,) = choose(versions=["13.0"], driver_version="570.211.01")["problems"]
    for words in (
        *("CUDA 13.0", "580 or newer", "570.211.01", "nvidia_driver_branch to 580", "a toolkit of CUDA 12"),
        *("cuda-compat-13-0", "cuda_toolkit_check_driver to false"),
    ):
        assert words in problem


def test_a_driver_in_between_is_told_with_both_versions() -> None:
    (note,) = choose(versions=["12.9"], driver_version="570.211.01")["notes"]
    assert "made for the driver 575.57.08, and the node has or gets 570.211.01" in note


def test_where_no_driver_is_known_it_is_said() -> None:
    chosen = choose(versions=["12.8", "13.0"], driver_version="")
    assert chosen["problems"] == []
    assert chosen["notes"] == ["CUDA 12.8, CUDA 13.0: not checked against a driver, since none is known on this node."]
    assert choose(versions=[], driver_version="")["notes"] == []


def test_who_does_not_want_the_check_has_none() -> None:
    chosen = choose(versions=["13.0"], driver_version="450.80.02", check_driver=False)
    assert chosen["problems"] == chosen["notes"] == []


@pytest.mark.parametrize(
    ("gpus", "versions", "expected"),
    [
        ((V100,), ["12.8"], 0),
        ((V100,), ["12.8", "13.0"], 1),
        ((V100, V100, H100), ["13.0"], 1),
        ((H100,), ["13.0"], 0),
    ],
)
def test_a_gpu_that_a_toolkit_makes_no_code_for(
    gpus: tuple[dict[str, Any], ...], versions: list[str], expected: int
) -> None:
    problems = choose(gpus=gpus, versions=versions)["problems"]
    assert len(problems) == expected
    for problem in problems:
        assert "CUDA 13.0 does not compile for Tesla V100 (volta); CUDA 12 is the last that does" in problem


@pytest.mark.parametrize(
    ("name", "toolkit"),
    [
        *((name, ("12", "8")) for name in ("cuda-toolkit-12-8", "cuda-12-8", "cuda-nvcc-12-8", "libcublas-dev-12-8")),
        *((name, ("12", "8")) for name in ("libnpp-12-8", "gds-tools-12-8", "cuda-toolkit-12-8-config-common")),
        *((name, ("13", "3")) for name in ("cccl-13-3", "libnvptxcompiler-13-3", "cuda-driver-dev-13-3")),
        *((name, None) for name in ("cuda-drivers-580", "cuda-compat-12-8", "libcudnn9-cuda-12", "libnccl2", "cuda")),
        *(
            (name, None)
            for name in ("nvidia-driver-580", "cuda-toolkit-config-common", "libboost-1-74", "cuda-keyring")
        ),
    ],
)
def test_what_a_toolkit_consists_of(name: str, toolkit: tuple[str, str] | None) -> None:
    found = re.fullmatch(DATA["parts"], name)
    assert (found.groups() if found else None) == toolkit


def test_data_agree_with_themselves() -> None:
    for minor, releases in DATA["toolkits"].items():
        for release, driver in releases.items():
            assert cuda_choice.parse([release]) == [Toolkit(minor, release)]
            assert cuda_choice.reaches(driver, DATA["floors"][minor.partition(".")[0]])
    drivers = [cuda_choice.own_driver(releases, "") for releases in DATA["toolkits"].values()]
    assert drivers == sorted(drivers, key=lambda one: [int(part) for part in one.split(".")])


def test_a_default_that_is_none_of_them_names_those_that_are() -> None:
    with pytest.raises(EvenkeelError, match=r"lists 12\.8\.1, 13\.0"):
        cuda_choice.default_of(cuda_choice.parse(["12.8.1", "13.0"]), "12.9")


@pytest.mark.parametrize(
    ("driver", "cuda"),
    [
        ("470", ""),
        ("525", "12.0"),
        ("535.288.01", "12.2"),
        ("550", "12.4"),
        ("565", "12.6"),
        ("570", "12.8"),
        ("580.65.06", "13.0"),
        ("590", "13.1"),
        ("595", "13.2"),
        ("610", "13.3"),
        ("699", "13.4"),
    ],
)
def test_a_driver_supports_the_cuda_of_its_branch(driver: str, cuda: str) -> None:
    assert cuda_choice.supported_by(driver) == cuda
