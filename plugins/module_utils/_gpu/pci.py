# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""NVIDIA's devices on the PCI bus, which are seen without any driver."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import vgpu
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

DEVICES = "/sys/bus/pci/devices"
INFINIBAND = "/sys/class/infiniband"
_VENDOR = "0x10de"
_GPU = ("0x0300", "0x0302")
_NVSWITCH = "0x0680"
_NVIDIAS_NETWORK = "0x15b3"
_INFINIBAND_CONTROLLER = "0x0207"
#: The kernel driver that holds a device for a virtual machine.
PASSED_THROUGH = "vfio-pci"
#: GB200 and GB300: their NVLink goes through switches outside of the node. Source: "Compatible GPUs" in README.md of
#: https://github.com/NVIDIA/open-gpu-kernel-modules, and https://docs.nvidia.com/multi-node-nvlink-systems/imex-guide/.
_MULTI_NODE = ("0x2941", "0x31c2")
#: B200, which is made only as eight on a board with switches of NVLink 5.
_ON_BOARD, _OF_BOARD = "0x2901", 8
#: In the vital product data of an NVLink 5 switch's management port.
_NVLINK5 = b"SW_MNG"


@dataclass(frozen=True)
class Device:
    """One of NVIDIA's devices.

    Parameters
    ----------
    address
        Such as ``0000:01:00.0``.
    device_id
        Such as ``0x1db1``.
    bound
        The kernel driver that is bound to it; empty without one.
    vgpu
        Whether a hypervisor's driver gives it as a part of its GPU; None where that can't be read, as without root.
    vgpu_host
        The version of that driver, if it is known.
    """

    address: str
    device_id: str
    bound: str = ""
    vgpu: bool | None = None
    vgpu_host: str = ""

    @property
    def passed_through(self) -> bool:
        """Whether it is kept for a virtual machine, so that this node has no use for it."""
        return self.bound == PASSED_THROUGH


def read(system: Sysroot) -> tuple[list[Device], list[Device]]:
    """Return the GPUs and the NVSwitches, each in the order of their addresses; virtual functions are neither."""
    gpus, nvswitches = [], []
    for address in system.names(DEVICES):
        folder = os.path.join(DEVICES, address)
        if system.text(folder + "/vendor") != _VENDOR or system.link(system.resolve(folder) + "/physfn"):
            continue
        kind = system.text(folder + "/class")
        bound = os.path.basename(system.link(system.resolve(folder) + "/driver"))
        device = Device(
            address, system.text(folder + "/device").lower(), bound, *vgpu.read(system.binary(folder + "/config"))
        )
        if kind.startswith(_GPU):
            gpus.append(device)
        elif kind.startswith(_NVSWITCH):
            nvswitches.append(device)
    return gpus, nvswitches


def has_nvlink5(system: Sysroot) -> bool:
    """Return whether the node has switches of NVLink 5; their management ports are InfiniBand controllers."""
    ports = ["%s/%s/device" % (INFINIBAND, name) for name in system.names(INFINIBAND)]
    ports += [
        folder
        for folder in (os.path.join(DEVICES, address) for address in system.names(DEVICES))
        if system.text(folder + "/vendor") == _NVIDIAS_NETWORK
        and system.text(folder + "/class").startswith(_INFINIBAND_CONTROLLER)
    ]
    return any(_NVLINK5 in system.binary(port + "/vpd") for port in ports)


def is_multi_node(gpus: Sequence[Device]) -> bool:
    """Return whether the GPUs' NVLink reaches other nodes; nvidia-imex joins them, and none has a fabric manager."""
    return any(gpu.device_id in _MULTI_NODE for gpu in gpus)


def needs_nvlink5(gpus: Sequence[Device]) -> bool:
    """Return whether the GPUs are a whole board that has switches of NVLink 5."""
    return sum(gpu.device_id == _ON_BOARD for gpu in gpus) >= _OF_BOARD
