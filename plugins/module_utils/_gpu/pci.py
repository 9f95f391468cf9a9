# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""NVIDIA's devices on the PCI bus, which are seen without any driver."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

DEVICES = "/sys/bus/pci/devices"
INFINIBAND = "/sys/class/infiniband"
_VENDOR = "0x10de"
_GPU = ("0x0300", "0x0302")
_NVSWITCH = "0x0680"
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
    """

    address: str
    device_id: str
    bound: str = ""


def read(system: Sysroot) -> tuple[list[Device], list[Device]]:
    """Return the GPUs and the NVSwitches, each in the order of their addresses."""
    gpus, nvswitches = [], []
    for address in system.names(DEVICES):
        folder = os.path.join(DEVICES, address)
        if system.text(folder + "/vendor") != _VENDOR:
            continue
        kind = system.text(folder + "/class")
        bound = os.path.basename(system.link(system.resolve(folder) + "/driver"))
        device = Device(address, system.text(folder + "/device").lower(), bound)
        if kind.startswith(_GPU):
            gpus.append(device)
        elif kind.startswith(_NVSWITCH):
            nvswitches.append(device)
    return gpus, nvswitches


def has_nvlink5(system: Sysroot) -> bool:
    """Return whether the node has switches of NVLink 5; they show as InfiniBand devices."""
    return any(_NVLINK5 in system.binary("%s/%s/device/vpd" % (INFINIBAND, name)) for name in system.names(INFINIBAND))
