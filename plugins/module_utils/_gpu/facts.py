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
    kernel_modules,
    loaded_driver,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import pci as gpu_pci
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import status as gpu_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.kernel_modules import InstalledKernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot


def read(root: str = "/") -> dict[str, Any]:
    """Return the facts of the system below ``root`` as the module ``gpu_facts`` documents them, less what data tell."""
    system = Sysroot(root)
    gpus, nvswitches = gpu_pci.read(system)
    nvlink5 = gpu_pci.has_nvlink5(system)
    told = gpu_status.read(system)
    kernels = kernel_modules.read(system)
    driver = driver_of(
        loaded_driver.version(system), loaded_driver.flavour(system), kernels, loaded_driver.library_version(system)
    )
    container = virtualization.container(system)
    reasons = reasons_to_reboot(driver, kernels, any(gpu.bound == "nouveau" for gpu in gpus))
    needs_fabric = bool(nvswitches) or nvlink5
    return {
        "gpus": [{**asdict(gpu), **asdict(told.get(gpu.address, gpu_status.Status()))} for gpu in gpus],
        "nvswitches": [{"address": one.address, "device_id": one.device_id} for one in nvswitches],
        "nvlink5": nvlink5,
        "driver": driver,
        "nouveau": {
            "loaded": loaded_driver.has_nouveau(system),
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
        "reboot": reboot([] if container else [*reasons, *_announced(system)]),
        "virtualization": {"container": container, "vm": virtualization.machine(system)},
    }


def driver_of(loaded: str, flavour: str, kernels: Sequence[InstalledKernel], userspace: str) -> dict[str, Any]:
    """Return the versions of the driver's parts; they mismatch where two that are there differ."""
    module = next((kernel.modules[0] for kernel in kernels if kernel.running and kernel.modules), None)
    installed = module.version if module else ""
    return {
        "loaded": loaded,
        "loaded_flavour": flavour,
        "installed": installed,
        "installed_flavour": module.flavour if module else "",
        "userspace": userspace,
        "mismatch": len({loaded, installed, userspace} - {""}) > 1,
    }


def reasons_to_reboot(driver: dict[str, Any], kernels: Sequence[InstalledKernel], nouveau: bool) -> list[str]:
    """Return why a node has to be rebooted for its GPUs to work as installed.

    That a newer kernel is there is no reason: nothing here tells which one the boot loader takes.

    Parameters
    ----------
    nouveau
        Whether nouveau has a GPU.
    """
    reasons = []
    loaded, installed = driver["loaded"], driver["installed"]
    if loaded and installed and loaded != installed:
        reasons.append("the driver %s is loaded, and %s is installed" % (loaded, installed))
    if loaded and installed == loaded and driver["loaded_flavour"] != driver["installed_flavour"]:
        reasons.append(
            "the %s module is loaded, and the %s one is installed"
            % (driver["loaded_flavour"], driver["installed_flavour"])
        )
    if nouveau and any(kernel.modules for kernel in kernels):
        reasons.append("nouveau has a GPU, and the driver is installed")
    if any(kernel.bootable for kernel in kernels) and not any(kernel.running for kernel in kernels):
        reasons.append("the running kernel was removed, so that no module can be loaded")
    return reasons


def reboot(reasons: list[str]) -> dict[str, Any]:
    return {"needed": bool(reasons), "reasons": reasons}


def _announced(system: Sysroot) -> list[str]:
    """Return the distribution's own word that a reboot is needed."""
    if not system.exists("/run/reboot-required"):
        return []
    packages = " ".join(dict.fromkeys(system.text("/run/reboot-required.pkgs").split()))
    return ["the distribution asks for it%s" % (": " + packages if packages else "")]
