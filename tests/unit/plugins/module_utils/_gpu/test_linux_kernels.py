# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels of a node, and the module that each loads."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

from tests.unit.plugins import kernel_object, trees

OPEN, PROPRIETARY = Module("580.178.04", "open"), Module("580.178.04", "proprietary")
BARE, READY = Kernel("6.1.0-49-amd64"), Kernel("6.1.0-50-amd64", modules=(OPEN,))


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/x/updates/nvidia.ko", {"vermagic": "6.1 SMP"}, ("", True, False, "")),
        ("/x/updates/nvidia.ko", {"vermagic": "6.10 SMP"}, ("", False, False, "")),
        ("/x/updates/nvidia.ko", {}, ("", False, False, "")),
        ("/x/weak-updates/nvidia.ko", {"vermagic": "6.0 SMP"}, ("", True, False, "")),
        ("/x/nvidia.ko", {"vermagic": "6.1", "license": "NVIDIA", "signer": "us"}, ("proprietary", True, True, "us")),
        ("/x/nvidia.ko", {"vermagic": "6.1", "license": "Dual MIT/GPL", "sig_id": "PKCS#7"}, ("open", True, True, "")),
    ],
)
def test_module(path: str, fields: dict[str, str], expected: tuple[str, bool, bool, str]) -> None:
    module = linux_kernels.module(path, "6.1", fields)
    assert (module.flavour, module.vermagic_ok, module.signed, module.signer) == expected


def test_modinfo_of_several_files() -> None:
    output = (
        "filename:       /a=1/nvidia.ko\0version=580.1\0alias=pci:v*\0alias=of:N*\0"
        "filename:       /b.ko\0alias=x\0license=NVIDIA\0"
    )
    assert linux_kernels.parse(output) == {
        "/a=1/nvidia.ko": {"version": "580.1", "alias": "pci:v*"},
        "/b.ko": {"alias": "x", "license": "NVIDIA"},
    }


def test_modules_without_modinfo_are_no_information(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "nowhere"))
    monkeypatch.setattr(linux_kernels, "_PROGRAMS", os.fspath(tmp_path / "nor_here"))
    found = trees.facts("t4", tmp_path)
    assert [kernel["modules"] for kernel in found["kernels"]] == [[]]
    assert found["driver"]["installed"] == ""


def test_modinfo_is_found_by_ordinary_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path / "nowhere"))
    assert trees.facts("t4", tmp_path)["driver"]["installed"] == "580.178.04"


def test_a_modinfo_that_hangs_is_an_error_and_not_a_kernel_without_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(argv: list[str], *, timeout: float) -> Done:
        raise EvenkeelError("`modinfo` did not end in time", "See what it waits for")

    monkeypatch.setattr(linux_kernels.command, "run", hang)
    with pytest.raises(EvenkeelError, match="did not end"):
        linux_kernels.read(Sysroot(str(trees.expand("t4", tmp_path))))


def test_the_kernels_of_a_node(tmp_path: Path) -> None:
    for place in ("lib/modules/6.1.0-49/build/include", "lib/modules/6.1.0-50", "boot", "proc/sys/kernel"):
        (tmp_path / place).mkdir(parents=True)
    # What a removed kernel leaves: its modules, and headers without what compiles them.
    (tmp_path / "lib/modules/gone/build").mkdir(parents=True)
    (tmp_path / "lib/modules/empty").mkdir()
    (tmp_path / "boot/vmlinuz-6.1.0-49").touch()
    (tmp_path / "lib/modules/6.1.0-50/vmlinuz").touch()
    # A kernel of one's own with all drivers built in.
    (tmp_path / "lib/modules/6.1.0-own").mkdir()
    (tmp_path / "boot/vmlinuz-6.1.0-own").touch()
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.1.0-50\n")
    system = Sysroot(str(tmp_path))
    found = [
        Kernel("6.1.0-49", bootable=True, headers=True),
        Kernel("6.1.0-50", running=True, bootable=True, headers=False),
        Kernel("6.1.0-own", bootable=True, headers=False),
    ]
    assert linux_kernels.bootable(system) == found
    assert linux_kernels.read(system) == [*found, Kernel("gone", bootable=False, headers=False)]


def test_of_two_modules_a_kernel_loads_the_one_that_depmod_finds_first(tmp_path: Path) -> None:
    for place, version in (("kernel/drivers", "1.1"), ("updates/dkms", "2.2"), ("extra", "3.3")):
        folder = tmp_path / "lib/modules/6.1" / place
        folder.mkdir(parents=True)
        module = kernel_object.write(version=version, license="NVIDIA", vermagic="6.1 SMP")
        (folder / "nvidia.ko").write_bytes(module)
    (kernel,) = linux_kernels.read(Sysroot(str(tmp_path)))
    assert [module.version for module in kernel.modules] == ["2.2", "3.3", "1.1"]
    assert kernel.module == kernel.modules[0]


@pytest.mark.parametrize("name", ["nvidia.ko", "nvidia-current.ko", "nvidia-current-open.ko"])
def test_the_files_of_nvidias_and_of_debians_packages_are_found(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "lib/modules/6.1/updates/dkms"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(kernel_object.write(version="1.1", license="Dual MIT/GPL", vermagic="6.1 SMP"))
    (folder / "nvidia-current-modeset.ko").touch()
    (kernel,) = linux_kernels.read(Sysroot(str(tmp_path)))
    assert [module.path for module in kernel.modules] == [f"/lib/modules/6.1/updates/dkms/{name}"]


@pytest.mark.parametrize("suffix", ["xz", "zst", "gz"])
def test_compressed_modules_are_found(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/lib/modules/6.1/extra/nvidia.ko.{suffix}"
    (tmp_path / path[1:]).parent.mkdir(parents=True)
    (tmp_path / path[1:]).touch()
    monkeypatch.setattr(linux_kernels, "describe", lambda _system, paths: {one: {} for one in paths})
    (kernel,) = linux_kernels.read(Sysroot(str(tmp_path)))
    assert [module.path for module in kernel.modules] == [path]


@pytest.mark.parametrize(("licence", "expected"), [("Dual MIT/GPL", "open"), ("NVIDIA", "proprietary"), ("", "")])
def test_flavour_by_licence(licence: str, expected: str) -> None:
    assert linux_kernels.flavour_of(licence) == expected


@pytest.mark.parametrize(
    ("modules", "version", "flavour", "expected"),
    [
        ((OPEN,), "580.178.04", "open", True),
        ((OPEN,), "", "open", True),
        ((OPEN,), "610.57.04", "open", False),
        ((OPEN,), "580.178.04", "proprietary", False),
        ((OPEN,), "", "proprietary", False),
        ((PROPRIETARY, OPEN), "580.178.04", "open", False),
        ((Module("", "open"),), "", "open", False),
        ((), "", "open", False),
    ],
)
def test_a_kernel_has_the_module_of_a_version_and_a_flavour(
    modules: tuple[Module, ...], version: str, flavour: str, expected: bool
) -> None:
    kernel = Kernel("6.1", modules=modules)
    assert kernel.has(version, flavour) is expected
    assert linux_kernels.without_module([kernel], version, flavour) == ([] if expected else [kernel])


def test_kernels_with_an_unsigned_module() -> None:
    signed = dataclasses.replace(READY, modules=(dataclasses.replace(OPEN, signed=True),))
    assert linux_kernels.unsigned([BARE, READY, signed], "580.178.04") == [READY]
    assert linux_kernels.unsigned([READY, signed], "") == [READY]
    assert linux_kernels.unsigned([READY], "610.57.04") == []


def test_the_module_that_the_running_kernel_loads() -> None:
    running = dataclasses.replace(BARE, running=True)
    assert linux_kernels.loaded_by_running([running, READY]) is None
    assert linux_kernels.loaded_by_running([BARE, dataclasses.replace(READY, running=True)]) == OPEN
    assert linux_kernels.loaded_by_running([READY]) is None
