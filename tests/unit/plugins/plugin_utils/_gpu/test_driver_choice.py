# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver for each hardware: flavour, branch, packages, and all that speaks against it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import matching
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import driver_choice
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.driver_choice import Wish
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.gpus import describe
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

DEBIAN = Platform("Debian", "12.11", "x86_64")
UBUNTU = Platform("Ubuntu", "24.04", "x86_64")
ROCKY = Platform("Rocky", "9.4", "x86_64")
NVIDIA = Wish("nvidia", branch="580")


def gpu(name: str = "T4", **other: Any) -> dict[str, Any]:
    """Return a GPU as the facts have it."""
    kinds = {
        "K80": ("0x102d", "kepler", [], "", 470),
        "V100": ("0x1db1", "volta", ["proprietary"], "", 580),
        "T4": ("0x1eb8", "turing", ["open", "proprietary"], "", None),
        "A100": ("0x20b2", "ampere", ["open", "proprietary"], "", None),
        "GH200": ("0x2342", "hopper", ["open"], "535.146.02", None),
        "B200": ("0x2901", "blackwell", ["open"], "570.86.15", None),
        "": ("0x9999", "unknown", [], "", None),
    }
    device, generation, flavours, least, most = kinds[name]
    return {
        "address": "0000:01:00.0",
        "device_id": device,
        "name": name,
        "generation": generation,
        "flavours": flavours,
        "min_branch": int(least.partition(".")[0]) if least else None,
        "min_version": least,
        "unknown_to": {},
        "max_branch": most,
        "bound": "",
        "passed_through": False,
        "vgpu": None,
        "vgpu_host": "",
        **other,
    }


def facts(
    *gpus: dict[str, Any], kernels: tuple[str, ...] = (), fabric: bool = False, nvlink5: bool = False
) -> dict[str, Any]:
    """Return the facts of a node."""
    return {
        "gpus": list(gpus),
        "kernels": [{"release": release, "bootable": True} for release in kernels],
        "fabric_manager": {"needed": fabric, "missing": []},
        "nvlink5": nvlink5,
        "imex": {"needed": False, "configured": False},
        "driver": {"installed": ""},
        "peer_memory": {"ofed": False, "legacy": False, "stale": []},
        "virtualization": {"container": "", "vm": ""},
    }


def packages(chosen: dict[str, Any]) -> list[str]:
    assert chosen["problems"] == []
    return [f"{one['name']}={one['version']}" for one in chosen["packages"]]


@pytest.mark.parametrize(
    ("gpus", "flavour"),
    [
        ([], "open"),
        (["T4"], "open"),
        (["V100"], "proprietary"),
        (["V100", "T4"], "proprietary"),
        (["A100", "A100"], "open"),
        (["GH200"], "open"),
        (["B200", "T4"], "open"),
    ],
)
def test_flavour_by_hardware(gpus: list[str], flavour: str) -> None:
    chosen = driver_choice.choose(facts(*map(gpu, gpus)), DEBIAN, NVIDIA)
    assert (chosen["flavour"], chosen["problems"]) == (flavour, [])


@pytest.mark.parametrize(
    ("gpus", "wish", "words"),
    [
        (["K80"], NVIDIA, ["K80 (0x102d)", "kepler", "no branch"]),
        (["V100"], Wish("nvidia", branch="595"), ["595", "no longer supports V100 (0x1db1)", "580 is the last"]),
        (["B200"], Wish("nvidia", version="535.274.02"), ["535", "B200 (0x2901)", "570.86.15 is the first"]),
        (["V100"], Wish("nvidia", branch="580", flavour="open"), ["open kernel module", "V100", "auto or proprietary"]),
        (["B200"], Wish("nvidia", branch="580", flavour="proprietary"), ["proprietary", "B200", "auto or open"]),
        (["V100", "B200"], NVIDIA, ["V100 (0x1db1) needs proprietary", "B200 (0x2901) needs open", "one kind from"]),
        ([""], NVIDIA, ["0x9999", "nvidia_driver_flavour", "nvidia_driver_branch"]),
        (["T4"], Wish("nvidia", version="620.1.1", flavour="proprietary"), ["620", "no proprietary", "615"]),
        (["T4"], Wish("nvidia", branch="581"), ["581", "nvidia_driver_version", "580"]),
        (["T4"], Wish("nvidia", branch="580", version="595.91.07"), ["595.91.07", "580"]),
        (["T4"], Wish("nvidia", version="latest"), ["latest", "580.178.04"]),
        (["T4"], Wish("nvidia", branch="new"), ["'new'"]),
        (["T4"], Wish("local", branch="580"), ["nvidia_driver_repository_url"]),
        (["T4"], Wish("runfile", branch="580"), ["nvidia_driver_runfile_sha256"]),
        (["T4"], Wish("distribution", branch="580"), ["535", "580"]),
    ],
)
def test_what_can_not_work_is_told_with_a_way_out(gpus: list[str], wish: Wish, words: list[str]) -> None:
    problems = " ".join(driver_choice.choose(facts(*map(gpu, gpus)), DEBIAN, wish)["problems"])
    for word in words:
        assert word in problems


@pytest.mark.parametrize(
    ("name", "version", "flavour", "refused"),
    [
        ("V100", "580.178.04", "proprietary", False),
        ("V100", "581.1.1", "proprietary", True),
        ("B200", "570.86.15", "open", False),
        ("B200", "570.86.10", "open", True),
        ("B200", "570", "open", False),
        ("B200", "569", "open", True),
        ("T4", "615.1.1", "proprietary", False),
        ("T4", "616.1.1", "proprietary", True),
        ("T4", "616.1.1", "open", False),
    ],
)
def test_the_first_and_the_last_driver_of_a_gpu_are_in_its_window(
    name: str, version: str, flavour: str, refused: bool
) -> None:
    branch, point, _ = version.partition(".")
    problems = driver_choice.window_problems([gpu(name)], branch, version if point else "", flavour)
    assert bool(problems) is refused


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("580.126.20", "580.142 is the first that does"),
        ("580.142", ""),
        ("590.44.01", "Set nvidia_driver_branch to 580, or nvidia_driver_version to one of branch 590 after 590.48.01"),
        ("590.48.01", "The driver 590.48.01 does not know"),
        ("590.48.02", ""),
        ("595.45.04", "one of branch 595 after 595.45.04"),
        ("595.91.07", ""),
        ("610.57.04", ""),
    ],
)
def test_a_branch_may_have_releases_that_are_older_than_the_first_driver_of_a_gpu(version: str, words: str) -> None:
    rules = describe("0x2c3a")
    chosen = driver_choice.choose(
        facts({**gpu("B200"), "device_id": "0x2c3a", **rules}), DEBIAN, Wish("nvidia", version=version)
    )
    assert bool(chosen["problems"]) is bool(words)
    assert words in " ".join(chosen["problems"])


def test_an_unknown_gpu_is_overridden_by_a_flavour() -> None:
    chosen = driver_choice.choose(facts(gpu("")), DEBIAN, Wish("nvidia", branch="580", flavour="open"))
    assert (chosen["flavour"], chosen["problems"]) == ("open", [])


@pytest.mark.parametrize(
    ("platform", "branch", "flavour", "expected"),
    [
        (DEBIAN, "580", "open", "nvidia-kernel-open-dkms"),
        (UBUNTU, "570", "proprietary", "nvidia-dkms-570"),
        (UBUNTU, "580", "open", "nvidia-dkms-580-open"),
        (UBUNTU, "595", "open", "nvidia-dkms-open"),
        (UBUNTU, "595", "proprietary", "nvidia-dkms"),
        (ROCKY, "580", "open", "kmod-nvidia-open-dkms"),
    ],
)
def test_the_package_that_builds_the_module_is_named_as_a_transaction_names_it(
    platform: Platform, branch: str, flavour: str, expected: str
) -> None:
    chosen = driver_choice.choose(facts(gpu()), platform, Wish("nvidia", branch=branch, flavour=flavour))
    assert chosen["dkms"] == expected
    assert expected in [one["name"] for one in chosen["packages"]]


def test_gpus_that_are_passed_through_get_no_driver() -> None:
    problems = driver_choice.choose(facts(gpu(passed_through=True)), DEBIAN, NVIDIA)["problems"]
    assert "vfio-pci" in problems[0]


def test_gpus_that_are_passed_through_decide_nothing() -> None:
    chosen = driver_choice.choose(facts(gpu("B200", passed_through=True), gpu("V100")), DEBIAN, NVIDIA)
    assert (chosen["problems"], chosen["flavour"]) == ([], "proprietary")


@pytest.mark.parametrize(
    ("kernels", "refused"),
    [(("6.12.9-amd64",), False), (("6.12.9-amd64", "7.0.1-amd64"), True), (("7.1.0-4.el10",), True), (("odd",), False)],
)
def test_a_kernel_too_new_for_a_branch(kernels: tuple[str, ...], refused: bool) -> None:
    chosen = driver_choice.choose(facts(gpu(), kernels=kernels), DEBIAN, Wish("nvidia", branch="590"))
    assert bool(chosen["problems"]) is refused
    assert all(kernels[-1] in problem for problem in chosen["problems"])


@pytest.mark.parametrize(
    ("platform", "wish", "kind", "expected"),
    [
        (DEBIAN, NVIDIA, "T4", ["nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced"]),
        (DEBIAN, NVIDIA, "V100", ["nvidia-driver-cuda", "nvidia-kernel-dkms", "nvidia-persistenced"]),
        (DEBIAN, Wish("nvidia", branch="580", graphics=True), "T4", ["nvidia-open", "nvidia-persistenced"]),
        (
            UBUNTU,
            NVIDIA,
            "T4",
            [
                *("libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-utils-580"),
                *("nvidia-compute-utils-580", "nvidia-persistenced"),
            ],
        ),
        (
            UBUNTU,
            Wish("nvidia", branch="595"),
            "T4",
            ["libnvidia-compute", "nvidia-dkms-open", "nvidia-utils", "nvidia-compute-utils", "nvidia-persistenced"],
        ),
        (ROCKY, NVIDIA, "T4", ["nvidia-driver-cuda", "kmod-nvidia-open-dkms", "nvidia-persistenced"]),
        (ROCKY, NVIDIA, "V100", ["nvidia-driver-cuda", "kmod-nvidia-latest-dkms", "nvidia-persistenced"]),
    ],
)
def test_packages_of_nvidias_repository(platform: Platform, wish: Wish, kind: str, expected: list[str]) -> None:
    chosen = driver_choice.choose(facts(gpu(kind)), platform, wish)
    assert packages(chosen) == [f"{name}={chosen['version']}" for name in expected]
    assert chosen["version"].startswith(wish.branch)


def test_packages_of_debian_are_of_its_own_version() -> None:
    chosen = driver_choice.choose(facts(gpu("V100")), DEBIAN, Wish("distribution"))
    assert packages(chosen) == ["nvidia-kernel-dkms=", "nvidia-smi=", "libcuda1=", "nvidia-persistenced="]
    assert (chosen["branch"], chosen["version"], chosen["repository"]) == ("535", "", None)


@pytest.mark.parametrize(("branch", "expected"), [("", "580"), ("570", "570")])
@pytest.mark.parametrize("release", ["22.04", "24.04", "26.04"])
def test_ubuntu_has_signed_modules_for_each_kernel(branch: str, expected: str, release: str) -> None:
    platform = Platform("Ubuntu", release, "x86_64")
    chosen = driver_choice.choose(facts(gpu()), platform, Wish("distribution", branch=branch))
    assert (chosen["problems"], chosen["branch"], chosen["dkms"]) == ([], expected, "")
    assert chosen["modules"] == f"linux-modules-nvidia-{expected}-server-open-{{kernel}}"
    assert f"nvidia-headless-no-dkms-{expected}-server-open=" in packages(chosen)
    closed = driver_choice.choose(facts(gpu("V100")), platform, Wish("distribution"))
    assert closed["modules"] == "linux-modules-nvidia-580-server-{kernel}"
    assert driver_choice.choose(facts(gpu()), DEBIAN, Wish("distribution"))["modules"] == ""


def test_the_red_hat_family_has_no_driver_of_its_own() -> None:
    problems = driver_choice.choose(facts(gpu()), ROCKY, Wish("distribution", branch="580"))["problems"]
    assert "has no driver of its own" in problems[0]


@pytest.mark.parametrize(
    ("platform", "branch", "nvlink5", "expected"),
    [
        (DEBIAN, "580", False, {"nvidia-fabricmanager=580.178.04", "libnvidia-nscq=580.178.04"}),
        (DEBIAN, "570", False, {"nvidia-fabricmanager-570=570.211.01", "libnvidia-nscq-570=570.211.01"}),
        (ROCKY, "570", False, {"nvidia-fabric-manager=570.211.01", "libnvidia-nscq-570=570.211.01"}),
        (UBUNTU, "580", True, {"nvidia-fabricmanager=580.178.04", "nvlsm=", "infiniband-diags="}),
    ],
)
def test_fabric_manager_is_of_the_drivers_version(
    platform: Platform, branch: str, nvlink5: bool, expected: set[str]
) -> None:
    chosen = driver_choice.choose(
        facts(gpu("A100"), fabric=True, nvlink5=nvlink5), platform, Wish("nvidia", branch=branch)
    )
    assert expected <= set(packages(chosen))
    assert chosen["fabric_manager"] is True


@pytest.mark.parametrize(
    ("platform", "branch", "fabric", "nvlink5", "imex", "expected"),
    [
        (UBUNTU, "580", True, True, False, {"libnvsdm=580.178.04"}),
        (UBUNTU, "570", True, True, False, {"libnvsdm-570=570.211.01"}),
        (UBUNTU, "580", True, False, False, set()),
        (UBUNTU, "580", False, False, True, {"nvidia-imex=580.178.04"}),
        (DEBIAN, "570", False, False, True, {"nvidia-imex-570=570.211.01"}),
        (ROCKY, "580", False, True, True, {"nvidia-imex=580.178.04"}),
    ],
)
def test_what_nvlink5_and_imex_need_is_of_the_drivers_version(
    platform: Platform, branch: str, fabric: bool, nvlink5: bool, imex: bool, expected: set[str]
) -> None:
    node = facts(gpu("A100"), fabric=fabric, nvlink5=nvlink5) | {"imex": {"needed": imex, "configured": True}}
    chosen = driver_choice.choose(node, platform, Wish("nvidia", branch=branch))
    assert {one for one in packages(chosen) if "nvsdm" in one or "imex" in one} == expected


@pytest.mark.parametrize(
    ("release", "wish", "problems"),
    [
        ("24.04", Wish("nvidia", branch="580"), 0),
        ("26.04", Wish("nvidia", branch="580"), 1),
        ("26.04", Wish("nvidia", version="580.178.04"), 1),
        ("26.04", Wish("nvidia", branch="595"), 0),
        ("26.04", Wish("local", branch="580", repository_url="http://m", repository_key_url="http://m/k"), 0),
        ("26.04", Wish("distribution", branch="580"), 0),
    ],
)
def test_a_repository_that_began_with_a_later_branch(release: str, wish: Wish, problems: int) -> None:
    found = driver_choice.choose(facts(gpu()), Platform("Ubuntu", release, "x86_64"), wish)["problems"]
    assert len(found) == problems
    assert all("Ubuntu 26.04 has no branch 580 of the driver; it has 590, 595, 610." in one for one in found)


@pytest.mark.parametrize("family", ["debian", "ubuntu", "redhat"])
@pytest.mark.parametrize("source", ["nvidia", "distribution"])
def test_container_toolkit_and_cuda_are_not_the_driver(source: str, family: str) -> None:
    data = read_mapping(driver_choice.PACKAGES)[source].get(family)
    others = ["libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit", "nvidia-docker2"]
    others += [
        "nvidia-cuda-toolkit",
        "cuda-toolkit-12-9",
        "cuda-compat-12-9",
        "nvidia-prime",
        "nvidia-driver-assistant",
    ]
    others += ["libnvidia-egl-wayland1", "nvidia-driver-pinning-580", "nvidia-fs-dkms"]
    sources = {"libnvidia-egl-wayland1": "egl-wayland", "cuda-compat-12-9": "cuda-compat"}
    assert matching(others, data["family"] if data else [], sources) == ()


def test_without_nvswitch_there_is_no_fabric_manager() -> None:
    chosen = driver_choice.choose(facts(gpu("A100")), DEBIAN, NVIDIA)
    assert not any("fabric" in name for name in packages(chosen))
    assert chosen["fabric_manager"] is False


@pytest.mark.parametrize(
    ("platform", "url", "key"),
    [
        (DEBIAN, "debian12/x86_64/", "cuda-keyring_1.1-1_all.deb"),
        (Platform("Ubuntu", "24.04", "aarch64"), "ubuntu2404/sbsa/", "cuda-keyring_1.1-1_all.deb"),
        (Platform("AlmaLinux", "10.0", "x86_64"), "rhel10/x86_64/", "D42D0685.pub"),
    ],
)
def test_repository_by_platform(platform: Platform, url: str, key: str) -> None:
    repository = driver_choice.choose(facts(gpu()), platform, NVIDIA)["repository"]
    assert repository["url"] == f"https://developer.download.nvidia.com/compute/cuda/repos/{url}"
    assert repository["key_url"] == repository["url"] + key


def test_a_mirror_keeps_the_known_checksum_and_a_repository_of_ones_own_has_none() -> None:
    mirrored = driver_choice.choose(facts(gpu()), DEBIAN, Wish("nvidia", "580", repository_base="http://m/cuda/"))
    assert mirrored["repository"]["url"] == "http://m/cuda/debian12/x86_64/"
    assert mirrored["repository"]["key_sha256"].startswith("e7f219eab")
    own = driver_choice.choose(
        facts(gpu()), DEBIAN, Wish("local", "580", repository_url="http://m/own", repository_key_url="http://m/own.gpg")
    )
    assert (own["repository"]["key_sha256"], own["repository"]["key_member"]) == ("", "")


@pytest.mark.parametrize(
    "platform",
    [Platform("Debian", "11", "x86_64"), Platform("Fedora", "42", "x86_64"), Platform("Debian", "12", "riscv64")],
    ids=str,
)
def test_platforms_without_a_driver(platform: Platform) -> None:
    assert str(platform) in driver_choice.choose(facts(gpu()), platform, NVIDIA)["problems"][0]


def test_the_installer_by_its_checksum() -> None:
    wish = Wish("runfile", "580", runfile_url="http://m/{version}/N-{architecture}-{version}.run", runfile_sha256="ab")
    chosen = driver_choice.choose(facts(gpu()), DEBIAN, wish)
    assert chosen["runfile"] == {"url": "http://m/580.178.04/N-x86_64-580.178.04.run", "sha256": "ab"}
    switched = driver_choice.choose(facts(gpu("A100"), fabric=True), DEBIAN, wish)
    assert "NVSwitch" in switched["problems"][0]


@pytest.mark.parametrize(
    ("platform", "wish", "expected"),
    [
        (ROCKY, {"epel": "https://m/epel/"}, "fcf0eab4f05a1c0de6363ac4b707600a27a9d774e9b491059e59e6921b255a84"),
        (ROCKY, {"epel": "https://m/epel", "epel_key_sha256": "ab"}, "ab"),
        (ROCKY, {}, None),
        (UBUNTU, {"epel": "https://m/epel"}, None),
    ],
)
def test_epel_is_added_on_request(platform: Platform, wish: dict[str, str], expected: str | None) -> None:
    chosen = driver_choice.choose(facts(gpu()), platform, Wish("nvidia", branch="580", **wish))
    found = chosen["dkms_repository"]
    assert (found and found["key_sha256"]) == expected
    if found:
        assert found["url"] == "https://m/epel/9/Everything/x86_64/"
        assert found["key_url"] == "https://m/epel/RPM-GPG-KEY-EPEL-9"
