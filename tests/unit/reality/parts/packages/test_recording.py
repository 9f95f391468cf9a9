# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.closure import Need, Package

from lab.upstream import recorded_packages
from reality import record
from reality.parts.data.repository import Place
from reality.parts.packages import recording
from reality.reach import TroubleError
from reality.world import World


def package(name: str, version: str, *depends: str, source: str = "", path: str = "p_amd64.deb") -> Package:
    needs = tuple((Need(one, "=", version),) for one in depends)
    return Package(name, version, path, 1, "sha256", "", source or name, needs, (("libfoo.so.1", ""), ("virtual", "")))


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (["580.178.04-1", "580.95.05-1"], ["580.178.04-1"]),
        (["580.95.05-1", "580.178.04-1", "590.48.01-1"], ["580.178.04-1", "590.48.01-1"]),
        (["450.80.02-1"], []),
        (["700.10.01-1"], ["700.10.01-1"]),
    ],
)
def test_the_newest_of_each_branch(listed: list[str], found: list[str]) -> None:
    both = [package(name, version) for version in listed for name in ("libcuda1", "cuda-toolkit")]
    assert [(one.name, one.version) for one in recording.newest(both, "debian")] == [("libcuda1", one) for one in found]


def place(name: str, architecture: str = "amd64") -> Place:
    return Place("apt", "https://a.example/", "", "", "", architecture, name)


def test_the_lab_reads_what_is_recorded(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packages(where: Place, _world: World) -> list[Package]:
        if where.name.startswith("debian13"):
            raise TroubleError("no answer")
        both = [package("libcuda1", "580.200.01-1", "libnvidia-ml1"), package("libnvidia-ml1", "580.200.01-1")]
        return [*both, package("nvidia-driver-pinning-580", "580-1", path="p_all.deb"), package("nginx", "1.22-1")]

    places = [place("debian12/x86_64"), place("debian12/sbsa", "arm64"), place("debian13/x86_64")]
    monkeypatch.setattr(recording, "cuda_places", lambda: [(one, "debian", ("Debian", "12")) for one in places])
    monkeypatch.setattr(recording, "container_places", tuple)
    monkeypatch.setattr(recording, "packages", packages)
    sights = {one.name: one for one in recording.repositories()}
    assert list(sights) == ["nvidia/debian12", "nvidia/debian13"]
    with pytest.raises(TroubleError):
        sights["nvidia/debian13"].look(world)
    record.write(sights["nvidia/debian12"].look(world), tmp_path)
    found = recorded_packages.nvidia("nvidia/debian12", tmp_path / "packages")
    assert found is not None
    assert [(one.name, one.depends, one.provides) for one in found.packages] == [
        ("libcuda1", ("libnvidia-ml1 (= 580.200.01-1)",), ("virtual",)),
        ("libnvidia-ml1", (), ("virtual",)),
    ]


def test_the_newest_toolkit_of_each_cuda_with_its_libraries() -> None:
    listed = {
        "cuda-toolkit-12-8": ["12.8.0-1", "12.8.1-1"],
        "cuda-nvcc-12-8": ["12.8.93-1"],
        "cuda-toolkit-12-10": ["12.10.0-1"],
        "cuda-nvcc-12-10": ["12.10.1-1", "12.10.12-1"],
        "cuda-toolkit-13-0": ["13.0.2-1"],
        "libcudnn9-cuda-12": ["9.9.0.1-1", "9.13.0.50-1"],
        "libcudnn9-static-cuda-12": ["9.13.0.50-1"],
        "libnccl2": ["2.28.9-1+cuda13.0", "2.27.7-1+cuda12.9", "2.9.9-1+cuda12.1"],
        "cuda-compat-12-10": ["580.1-1"],
    }
    every = [package(name, version) for name, versions in listed.items() for version in versions]
    assert [(one.name, one.version) for one in recording.toolkits(every)] == [
        ("cuda-nvcc-12-10", "12.10.12-1"),
        ("cuda-toolkit-12-10", "12.10.0-1"),
        ("cuda-toolkit-13-0", "13.0.2-1"),
        ("libcudnn9-cuda-12", "9.13.0.50-1"),
        ("libnccl2", "2.27.7-1+cuda12.9"),
        ("libnccl2", "2.28.9-1+cuda13.0"),
    ]


def test_the_newest_container_toolkit_that_is_no_candidate() -> None:
    names = ("nvidia-container-toolkit", "libnvidia-container1", "nvidia-docker2")
    every = [package(name, version) for name in names for version in ("1.9.0-1", "1.20.1-1", "1.21.0~rc.1-1")]
    found = recording.of_container(every)["packages"]
    assert [(one.name, one.version) for one in found] == [(name, "1.20.1-1") for name in sorted(names[:2])]


def test_kernels_of_answers() -> None:
    answers: dict[str, dict[str, Any]] = {
        "headers/linux-image-generic": {"problem": "", "detail": "6.8.0-90-generic", "version": "6.8.0-90.91"},
        "headers/linux-image-virtual": {"problem": "no package"},
        "headers/linux-image-other": {"problem": "", "detail": "6.8.0-91-other"},
        "resolves/a": {"problem": "", "detail": "9 packages"},
    }
    known = {"linux-image-generic": {"releases": ["6.8.0-90-generic"], "version": "6.8.0-90.91"}}
    assert recording.kernels(answers) == known
