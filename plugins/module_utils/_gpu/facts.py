# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Everything about a node's GPUs, from hardware to CUDA, without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cuda_found,
    device_holders,
    efi,
    fabric_manager,
    linux_kernels,
    loaded_driver,
    reboot,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import pci as gpu_pci
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import status as gpu_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot


def read(root: str = "/") -> dict[str, Any]:
    """Return the facts of the system below ``root`` as the module ``gpu_facts`` documents them.

    What generations of GPUs need is added on the control node, where the data is.
    """
    system = Sysroot(root)
    gpus, nvswitches = gpu_pci.read(system)
    nvlink5 = gpu_pci.has_nvlink5(system)
    status = gpu_status.read(system)
    kernels = linux_kernels.read(system)
    loaded = loaded_driver.read(system)
    container = virtualization.container(system)
    reasons = reboot.reasons(loaded, kernels, gpu=bool(gpus), container=bool(container))
    if not container:
        reasons += _announced(system)
    needs_fabric = bool(nvswitches) or nvlink5
    return {
        "gpus": [{**asdict(gpu), **asdict(status.get(gpu.address, gpu_status.Status()))} for gpu in gpus],
        "nvswitches": [{"address": one.address, "device_id": one.device_id} for one in nvswitches],
        "nvlink5": nvlink5,
        "driver": driver_of(loaded, kernels, loaded_driver.library_version(system)),
        "nouveau": {
            "loaded": loaded.nouveau,
            "blacklisted": loaded_driver.keeps_nouveau_off(system),
        },
        "kernels": [{**asdict(kernel), "modules": [asdict(one) for one in kernel.modules]} for kernel in kernels],
        "secure_boot": {
            "enabled": efi.secure_boot(system),
            "enrolled": efi.enrolled(system),
            "lockdown": efi.lockdown(system),
        },
        "cuda": {
            "toolkits": [asdict(toolkit) for toolkit in cuda_found.read(system)],
            "default": cuda_found.default(system),
        },
        "fabric_manager": {
            "needed": needs_fabric,
            "version": fabric_manager.version(system),
            "active": fabric_manager.is_active(system),
            "state": gpu_status.fabric_state(system) if needs_fabric else "",
        },
        "processes": [{**asdict(one), "devices": list(one.devices)} for one in device_holders.read(system)],
        "reboot": {"needed": bool(reasons), "reasons": reasons},
        "virtualization": {"container": container, "vm": virtualization.machine(system)},
    }


def driver_of(loaded: Loaded, kernels: Sequence[Kernel], userspace: str) -> dict[str, Any]:
    """Return the versions of the driver's parts; they mismatch where two that are there differ."""
    module = linux_kernels.loaded_by_running(kernels)
    installed = module.version if module else ""
    return {
        "loaded": loaded.version,
        "loaded_flavour": loaded.flavour,
        "installed": installed,
        "installed_flavour": module.flavour if module else "",
        "userspace": userspace,
        "mismatch": len({loaded.version, installed, userspace} - {""}) > 1,
    }


def _announced(system: Sysroot) -> list[str]:
    """Return the distribution's own request for a reboot."""
    if not system.exists("/run/reboot-required"):
        return []
    packages = " ".join(dict.fromkeys(system.text("/run/reboot-required.pkgs").split()))
    return ["the distribution asks for it%s" % (": " + packages if packages else "")]
