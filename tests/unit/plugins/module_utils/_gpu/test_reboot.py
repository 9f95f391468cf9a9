# SPDX-License-Identifier: GPL-3.0-or-later
"""When a node has to be rebooted: one rule, which gpu_facts and nvidia_driver follow."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import reboot
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel, Module
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded

OLD, NEW = "580.159.03", "580.178.04"


def running(*modules: Module) -> list[Kernel]:
    return [Kernel("6.1", running=True, modules=modules), Kernel("6.2", modules=(Module("610.57.04", "open"),))]


@pytest.mark.parametrize(
    ("loaded", "kernels", "gpu", "reasons"),
    [
        (Loaded(NEW, "open"), running(Module(NEW, "open")), True, []),
        (
            Loaded(OLD, "open"),
            running(Module(NEW, "open")),
            True,
            ["the driver 580.159.03 is loaded, and 580.178.04 is installed"],
        ),
        (
            Loaded(NEW, "proprietary"),
            running(Module(NEW, "open")),
            True,
            ["the proprietary module is loaded, and the open one is installed"],
        ),
        (
            Loaded(OLD, "proprietary"),
            running(Module(NEW, "open")),
            True,
            ["the driver 580.159.03 is loaded, and 580.178.04 is installed"],
        ),
        (Loaded(NEW, "open"), running(Module(NEW, "open"), Module(OLD, "proprietary")), True, []),
        (Loaded(NEW, "open"), running(Module(NEW, "")), True, []),
        (Loaded(), running(Module(NEW, "open")), True, []),
        (Loaded(OLD, "open"), running(), True, []),
        (Loaded(), running(), True, ["the running kernel 6.1 has no module, which another kernel has"]),
        (Loaded(), running(), False, []),
        (Loaded(), [Kernel("6.1", running=True), Kernel("6.2")], True, []),
        (Loaded(OLD, "open"), running(Module("", "")), True, []),
        (Loaded(nouveau=True), running(Module(NEW, "open")), True, ["nouveau holds the GPU"]),
        (Loaded(nouveau=True), running(Module(NEW, "open")), False, []),
        (Loaded(nouveau=True), [Kernel("6.1", running=True)], True, []),
        (
            Loaded(NEW, "open"),
            [Kernel("6.2", modules=(Module(NEW, "open"),))],
            True,
            ["the running kernel was removed, so that no module can be loaded"],
        ),
        (Loaded(NEW, "open"), [Kernel("6.2", bootable=False)], True, []),
        (Loaded(NEW, "open"), [], True, []),
    ],
)
def test_reasons_to_reboot(loaded: Loaded, kernels: list[Kernel], gpu: bool, reasons: list[str]) -> None:
    assert reboot.reasons(loaded, kernels, gpu=gpu, container=False) == reasons
    assert reboot.reasons(loaded, kernels, gpu=gpu, container=True) == []
