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


def place(name: str) -> Place:
    return Place("apt", "https://a.example/", "", "", "", "amd64", name)


def test_the_lab_reads_what_is_recorded(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def packages(where: Place, _world: World) -> list[Package]:
        if where.name.startswith("debian13"):
            raise TroubleError("no answer")
        both = [package("libcuda1", "580.200.01-1", "libnvidia-ml1"), package("libnvidia-ml1", "580.200.01-1")]
        return [*both, package("nvidia-driver-pinning-580", "580-1", path="p_all.deb"), package("nginx", "1.22-1")]

    names = ("debian12/x86_64", "debian12/sbsa", "debian13/x86_64")
    monkeypatch.setattr(recording, "cuda_places", lambda: [(place(name), "debian", ("Debian", "12")) for name in names])
    monkeypatch.setattr(recording, "packages", packages)
    (path,) = record.write(recording.drivers(world), tmp_path)
    assert path == tmp_path / "packages" / "nvidia" / "debian12.json"
    found = recorded_packages.nvidia("debian12", tmp_path / "packages") or []
    assert [(one.name, one.depends, one.provides) for one in found] == [
        ("libcuda1", ("libnvidia-ml1 (= 580.200.01-1)",), ("virtual",)),
        ("libnvidia-ml1", (), ("virtual",)),
    ]


def test_kernels_of_answers() -> None:
    answers: dict[str, dict[str, Any]] = {
        "headers/linux-image-generic": {"problem": "", "detail": "6.8.0-90-generic", "version": "6.8.0-90.91"},
        "headers/linux-image-virtual": {"problem": "no package"},
        "resolves/a": {"problem": "", "detail": "9 packages"},
    }
    known = {"linux-image-generic": {"releases": ["6.8.0-90-generic"], "version": "6.8.0-90.91"}}
    assert recording.kernels(answers) == known
