# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of recorded trees, and what each reader makes of what it reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cuda_found,
    efi,
    fabric_manager,
    loaded_driver,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import facts as gpu_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import status as gpu_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.status import Status
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

from tests.unit.plugins import trees

KEYS = {
    *("gpus", "nvswitches", "nvlink5", "driver", "nouveau", "kernels", "secure_boot", "cuda"),
    *("fabric_manager", "processes", "reboot", "virtualization", "imex", "peer_memory", "cdi"),
}
CERTIFICATE = bytes.fromhex("30030201")


@pytest.mark.parametrize("name", trees.NAMES)
def test_facts_of_trees(name: str, tmp_path: Path) -> None:
    found = trees.facts(name, tmp_path)
    assert set(found) == KEYS
    expected = dict(trees.TREES[name]["facts"])
    shown = {
        "gpu": lambda: _part(found["gpus"][0], expected["gpu"]) if len(found["gpus"]) == 1 else found["gpus"],
        "flavours": lambda: [gpu["flavours"] for gpu in found["gpus"]],
        "processes_of": lambda: [_part(one, expected["processes_of"][0]) for one in found["processes"]],
        "kernels_of": lambda: {
            kernel["release"]: {
                "running": kernel["running"],
                "bootable": kernel["bootable"],
                "headers": kernel["headers"],
                "vermagic_ok": [module["vermagic_ok"] for module in kernel["modules"]],
            }
            for kernel in found["kernels"]
        },
        "secure_boot": lambda: _part(found["secure_boot"], expected["secure_boot"]),
    }
    assert {key: shown.get(key, lambda key=key: found[key])() for key in expected} == expected


def _part(whole: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    return {key: whole[key] for key in keys}


@pytest.mark.parametrize("name", trees.NAMES)
def test_keys_and_types_are_the_same_for_every_tree(name: str, tmp_path: Path) -> None:
    found = trees.facts(name, tmp_path)
    documented = {
        *("address", "device_id", "bound", "passed_through", "vgpu", "vgpu_host", "name", "uuid", "memory_mib", "mig"),
        *("generation", "flavours", "required_flavour", "min_branch", "min_version", "unknown_to"),
        *("max_branch", "max_cuda"),
    }
    assert all(set(gpu) == documented for gpu in found["gpus"])
    assert found["reboot"]["needed"] == bool(found["reboot"]["reasons"])


def test_the_certificates_that_are_trusted_are_told_by_their_fingerprints(tmp_path: Path) -> None:
    certificates = [CERTIFICATE, bytes.fromhex("30030202")]
    assert trees.facts("secure_boot", tmp_path)["secure_boot"]["enrolled"] == sorted(
        hashlib.sha1(certificate, usedforsecurity=False).hexdigest() for certificate in certificates
    )


def test_a_system_is_read_only(tmp_path: Path) -> None:
    trees.expand("t4", tmp_path)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    gpu_facts.read(str(tmp_path))
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_links_stay_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "alternatives").symlink_to("/usr/share")
    (tmp_path / "up").symlink_to("../../../etc")
    (tmp_path / "round").symlink_to("round")
    system = Sysroot(str(tmp_path))
    assert system.resolve("/etc/alternatives/x") == "/usr/share/x"
    assert system.resolve("/up/alternatives") == "/usr/share"
    assert not system.exists("/round")
    assert system.text("/etc/passwd") == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "00000000:01:00.0, NVIDIA A100-SXM4-80GB, GPU-1, 81920, Enabled",
            {"0000:01:00.0": Status("NVIDIA A100-SXM4-80GB", "GPU-1", 81920, "enabled")},
        ),
        ("00000000:0A:00.0, Tesla T4, GPU-2, 15360, [N/A]", {"0000:0a:00.0": Status("Tesla T4", "GPU-2", 15360, "")}),
        (
            "00000009:01:00.0, GH200, GPU-3, [N/A], Disabled",
            {"0009:01:00.0": Status("GH200", "GPU-3", None, "disabled")},
        ),
        ("Failed to initialize NVML: Driver/library version mismatch", {}),
        ("", {}),
    ],
)
def test_what_the_driver_tells(line: str, expected: dict[str, Status]) -> None:
    assert gpu_status.parse(line) == expected


@pytest.mark.parametrize(
    ("file", "kept_off"),
    [
        ("blacklist nouveau", True),
        ("  blacklist   nouveau  ", True),
        ("install nouveau /bin/false", True),
        ("install nouveau /usr/bin/true", True),
        ("#blacklist nouveau", False),
        ("blacklist nouveau2", False),
        ("alias nouveau off", False),
    ],
)
def test_nouveau_is_kept_off_by_a_setting(file: str, kept_off: bool, tmp_path: Path) -> None:
    (tmp_path / "etc" / "modprobe.d").mkdir(parents=True)
    (tmp_path / "etc" / "modprobe.d" / "a.conf").write_text(f"options x y=1\n{file}\n")
    assert loaded_driver.keeps_nouveau_off(Sysroot(str(tmp_path))) is kept_off


@pytest.mark.parametrize(
    ("line", "kept_off"),
    [
        ("ro modprobe.blacklist=nouveau quiet", True),
        ("module_blacklist=nova_core,nouveau", True),
        ("modprobe.blacklist=nouveau2", False),
        ("nouveau.modeset=1", False),
    ],
)
def test_nouveau_is_kept_off_at_boot(line: str, kept_off: bool, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cmdline").write_text(line)
    assert loaded_driver.keeps_nouveau_off(Sysroot(str(tmp_path))) is kept_off


@pytest.mark.parametrize("length", [0, 10, 28, 40, 47])
def test_signature_lists_that_are_cut_short_are_no_certificates(length: int) -> None:
    whole = efi._LIST.pack(efi._X509, 48, 0, 20) + bytes(16) + CERTIFICATE
    assert efi.certificates(whole) == [CERTIFICATE]
    assert efi.certificates(whole[:length]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"cuda": {"version": "12.8.1"}}', "12.8.1"),
        ('{"cuda": 3}', ""),
        ("[]", ""),
        ("{", ""),
        ("", ""),
    ],
)
def test_version_of_a_toolkit(text: str, expected: str) -> None:
    assert cuda_found.version(text) == expected


def test_version_of_the_fabric_manager() -> None:
    assert fabric_manager.parse_version("Fabric Manager version is : 580.178.04\n") == "580.178.04"
    assert fabric_manager.parse_version("usage") == ""


@pytest.mark.parametrize(
    ("vendor", "product", "kind"),
    [
        ("QEMU", "Standard PC", "kvm"),
        ("Amazon EC2", "p4d.24xlarge", "amazon"),
        ("Amazon EC2", "g4dn.metal", ""),
        ("Microsoft Corporation", "Virtual Machine", "microsoft"),
        ("Microsoft Corporation", "Surface", ""),
        ("Supermicro", "SYS-421GE", ""),
    ],
)
def test_virtual_machines(vendor: str, product: str, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "sys" / "class" / "dmi" / "id"
    folder.mkdir(parents=True)
    (folder / "sys_vendor").write_text(vendor + "\n")
    (folder / "product_name").write_text(product + "\n")
    assert virtualization.machine(Sysroot(str(tmp_path))) == kind
