# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Everything about a node's GPUs, from hardware to CUDA, without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cdi,
    cuda_found,
    device_holders,
    efi,
    fabric_manager,
    linux_kernels,
    loaded_driver,
    peer_memory,
    reboot,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import pci as gpu_pci
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import status as gpu_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.pci import Device
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

#: What mlx5_ib and ib_umad show. Source: https://github.com/NVIDIA/gpu-operator/issues/2781, an image without them.
_READY = gpu_pci.INFINIBAND, "/sys/class/infiniband_mad"
#: The addresses of the nodes that share an NVLink domain.
_IMEX_NODES = "/etc/nvidia-imex/nodes_config.cfg"


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
    used = [gpu for gpu in gpus if not gpu.passed_through]
    reasons = reboot.reasons(loaded, kernels, gpu=bool(used), container=bool(container))
    if not container:
        reasons += _announced(system)
    multi_node = gpu_pci.is_multi_node(used)
    machine = virtualization.machine(system)
    # Switches that are passed through have their fabric manager in the virtual machine.
    needs_fabric = not multi_node and (nvlink5 or any(not one.passed_through for one in nvswitches))
    return {
        "gpus": [
            {
                **asdict(gpu),
                "passed_through": gpu.passed_through,
                **asdict(status.get(gpu.address, gpu_status.Status())),
            }
            for gpu in gpus
        ],
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
            "missing": []
            if container or multi_node
            else missing_for_fabric(used, nvlink5=nvlink5, ready=all(map(system.exists, _READY))),
        },
        "imex": {"needed": multi_node, "configured": system.exists(_IMEX_NODES)},
        "peer_memory": peer_memory.read(system, kernels),
        "cdi": [
            {
                "path": one.path,
                "versions": list(one.versions),
                "missing": list(one.missing),
                "stale": one.why_stale(loaded.version),
            }
            for one in cdi.specifications(system)
        ],
        "processes": [{**asdict(one), "devices": list(one.devices)} for one in device_holders.read(system)],
        "reboot": {"needed": bool(reasons), "reasons": reasons},
        "virtualization": {"container": container, "vm": machine},
    }


def missing_for_fabric(gpus: Sequence[Device], *, nvlink5: bool, ready: bool) -> list[str]:
    """Return what the fabric manager of a board with NVLink 5 does not find.

    Parameters
    ----------
    ready
        Whether the kernel's modules show InfiniBand devices to programs.
    """
    if gpu_pci.needs_nvlink5(gpus) and not nvlink5:
        return ["the InfiniBand devices that manage the NVLink switches"]
    return ["the kernel modules mlx5_ib and ib_umad"] if nvlink5 and not ready else []


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
