# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""GPUDirect RDMA: network adapters that read a GPU's memory, through a module that fits both drivers.

The driver's own nvidia-peermem is built with it, against the symbols of NVIDIA's network drivers (OFED, DOCA). Its
predecessor nv_peer_mem is a DKMS package of its own, which nothing rebuilds for another driver.
Source: kernel-open/nvidia-peermem of github.com/NVIDIA/open-gpu-kernel-modules, github.com/Mellanox/nv_peer_memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_OFED = "/usr/src/ofa_kernel"
_DKMS = "/var/lib/dkms"
_OFED_DKMS = _DKMS + "/mlnx-ofed-kernel"
_LEGACY_DKMS = "nvidia-peer-memory", "nvidia_peer_memory", "nv_peer_mem"
_LEGACY = "nv_peer_mem.ko"
_OWN = "nvidia-peermem.ko"
_PLACES = "updates", "extra", "weak-updates", "kernel/drivers/video", "kernel/nvidia"


def read(system: Sysroot, kernels: Iterable[linux_kernels.Kernel]) -> dict[str, Any]:
    """Return what the module ``gpu_facts`` documents as ``peer_memory``."""
    releases = [kernel.release for kernel in kernels if kernel.bootable]
    legacy = [release for release in releases if _module(system, release, _LEGACY)]
    return {
        "ofed": system.exists(_OFED) or system.exists(_OFED_DKMS),
        "legacy": bool(legacy) or any(system.exists("%s/%s" % (_DKMS, name)) for name in _LEGACY_DKMS),
        "stale": [release for release in releases if _is_stale(system, release)],
    }


def _is_stale(system: Sysroot, release: str) -> bool:
    """Return whether the network drivers of a kernel were installed after its nvidia-peermem was built."""
    own, symbols = _module(system, release, _OWN), _symbols(system, release)
    return bool(own and symbols) and _age(system, symbols) > _age(system, own)


def _symbols(system: Sysroot, release: str) -> str:
    """Return the symbols that a build of nvidia-peermem for a kernel would use; empty where there are none."""
    folders = ["%s/%s/%s" % (_OFED, machine, release) for machine in ("x86_64", "aarch64")]
    folders += ["%s/%s" % (_OFED, release), _OFED + "/default", _OFED_DKMS]
    folder = next((folder for folder in folders if system.exists(folder)), "")
    path = folder + "/Module.symvers"
    return path if folder and system.exists(path) else ""


def _module(system: Sysroot, release: str, name: str) -> str:
    """Return the path of a kernel's module, compressed or not; empty where it has none."""
    for place in _PLACES:
        folder = "%s/%s/%s" % (linux_kernels.FOLDER, release, place)
        outside = system.outside(system.resolve(folder))
        for directory, _unused, names in os.walk(outside):
            for found in names:
                if found.startswith(name):
                    return os.path.join(folder, os.path.relpath(os.path.join(directory, found), outside))
    return ""


def _age(system: Sysroot, path: str) -> float:
    """Return when a file was written, in seconds since the epoch."""
    return os.stat(system.outside(system.resolve(path))).st_mtime
