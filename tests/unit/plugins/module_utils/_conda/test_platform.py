# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import platform
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "linux-64"), ("aarch64", "linux-aarch64")])
def test_conda_platform(machine: str, name: str) -> None:
    assert platform.conda_platform(machine) == name


@pytest.mark.parametrize("machine", ["riscv64", "i686", "armv7l", ""])
def test_other_machines_are_refused_with_those_supported(machine: str) -> None:
    with pytest.raises(EvenkeelError, match=rf"architecture {machine} is not supported.*aarch64, x86_64"):
        platform.conda_platform(machine)


@pytest.mark.parametrize(
    ("kernel", "version"),
    [
        ("6.1.0-18-amd64", "6.1.0"),
        ("5.15.0-1053-nvidia", "5.15.0"),
        ("6.12", "6.12"),
        ("6.1.2.3.4", "6.1.2.3"),
        ("6.10-rc3+", "6.10"),
        ("custom", "0"),
    ],
)
def test_version_of_the_kernel(kernel: str, version: str) -> None:
    assert platform.virtual_packages(kernel, "glibc 2.36", None)["__linux"] == version


@pytest.mark.parametrize(("cuda", "more"), [(None, {}), ("12.4", {"__cuda": "12.4"})])
def test_virtual_packages(cuda: str | None, more: dict[str, str]) -> None:
    packages = platform.virtual_packages("6.1.0", "glibc 2.36", cuda)
    assert packages == {"__unix": "0", "__linux": "6.1.0", "__glibc": "2.36", **more}


@pytest.mark.parametrize(
    ("status", "number", "version"), [(0, 12040, "12.4"), (0, 11080, "11.8"), (0, 13000, "13.0"), (100, 12040, None)]
)
def test_cuda_version_of_the_driver(
    monkeypatch: pytest.MonkeyPatch, status: int, number: int, version: str | None
) -> None:
    def get_version(reference: object) -> int:
        ctypes.cast(reference, ctypes.POINTER(ctypes.c_int))[0] = number  # type: ignore[arg-type]
        return status

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(cuDriverGetVersion=get_version))
    assert platform.driver_cuda_version() == version


def test_without_a_driver_there_is_no_cuda_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert platform.driver_cuda_version() is None


def test_this_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="aarch64", release="6.1.0-18-arm64"))
    monkeypatch.setattr(os, "confstr", lambda name: "glibc 2.41")
    monkeypatch.setattr(platform, "driver_cuda_version", lambda: "12.4")
    assert platform.this_node() == (
        "linux-aarch64",
        {"__unix": "0", "__linux": "6.1.0", "__glibc": "2.41", "__cuda": "12.4"},
    )


def test_a_library_that_is_not_cudas_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert platform.driver_cuda_version() is None
