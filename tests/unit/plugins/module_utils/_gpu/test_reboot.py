# SPDX-License-Identifier: GPL-3.0-or-later
"""When a node has to be rebooted: one rule, which gpu_facts and nvidia_driver follow."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import reboot
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.pci import Device

OLD, NEW = "580.159.03", "580.178.04"
NVIDIA, NOUVEAU = Device("0000:01:00.0", "0x1eb8", "nvidia"), Device("0000:01:00.0", "0x1eb8", "nouveau")


def running(*modules: Module) -> list[Kernel]:
    return [Kernel("6.1", running=True, modules=modules), Kernel("6.2", modules=(Module("610.57.04", "open"),))]


@pytest.mark.parametrize(
    ("loaded", "kernels", "gpu", "reasons"),
    [
        (Loaded(NEW, "open"), running(Module(NEW, "open")), NVIDIA, []),
        (
            Loaded(OLD, "open"),
            running(Module(NEW, "open")),
            NVIDIA,
            ["the driver 580.159.03 is loaded, and 580.178.04 is installed"],
        ),
        (
            Loaded(NEW, "proprietary"),
            running(Module(NEW, "open")),
            NVIDIA,
            ["the proprietary module is loaded, and the open one is installed"],
        ),
        (
            Loaded(OLD, "proprietary"),
            running(Module(NEW, "open")),
            NVIDIA,
            ["the driver 580.159.03 is loaded, and 580.178.04 is installed"],
        ),
        (Loaded(NEW, "open"), running(Module(NEW, "open"), Module(OLD, "proprietary")), NVIDIA, []),
        (Loaded(), running(Module(NEW, "open")), NVIDIA, []),
        (Loaded(OLD, "open"), running(), NVIDIA, []),
        (Loaded(), running(Module(NEW, "open")), NOUVEAU, ["nouveau holds the GPU"]),
        (Loaded(), [Kernel("6.1", running=True)], NOUVEAU, []),
        (
            Loaded(NEW, "open"),
            [Kernel("6.2", modules=(Module(NEW, "open"),))],
            NVIDIA,
            ["the running kernel was removed, so that no module can be loaded"],
        ),
        (Loaded(NEW, "open"), [Kernel("6.2", bootable=False)], NVIDIA, []),
        (Loaded(NEW, "open"), [], NVIDIA, []),
    ],
)
def test_reasons_to_reboot(loaded: Loaded, kernels: list[Kernel], gpu: Device, reasons: list[str]) -> None:
    assert reboot.reasons(loaded, kernels, [gpu], container=False) == reasons
    assert reboot.reasons(loaded, kernels, [gpu], container=True) == []
