# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Why a node has to be rebooted for its driver."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import linux_kernels
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.linux_kernels import Kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.loaded_driver import Loaded


def reasons(loaded: Loaded, kernels: Sequence[Kernel], *, gpu: bool, container: bool) -> list[str]:
    """Return why a node has to be rebooted for its GPUs to work as installed.

    A newer kernel that is installed is not a reason: nothing shows which one the boot loader takes.

    Parameters
    ----------
    gpu
        Whether the node has a GPU.
    container
        Whether the node is a container, which boots nothing.
    """
    if container:
        return []
    found = []
    installed = linux_kernels.loaded_by_running(kernels)
    if loaded.version and installed and installed.version:
        if loaded.version != installed.version:
            found.append("the driver %s is loaded, and %s is installed" % (loaded.version, installed.version))
        elif loaded.flavour and installed.flavour and loaded.flavour != installed.flavour:
            found.append("the %s module is loaded, and the %s one is installed" % (loaded.flavour, installed.flavour))
    if gpu and loaded.nouveau and any(kernel.modules for kernel in kernels):
        found.append("nouveau holds the GPU")
    if gpu and not loaded.version and any(kernel.module for kernel in kernels):
        without = (kernel for kernel in kernels if kernel.running and kernel.bootable and not kernel.module)
        found += [
            "the running kernel %s has no module, which another kernel has" % kernel.release for kernel in without
        ]
    if any(kernel.bootable for kernel in kernels) and not any(kernel.running for kernel in kernels):
        found.append("the running kernel was removed, so that no module can be loaded")
    return found


def without_driver(loaded: Loaded, *, container: bool) -> list[str]:
    """Return why a node has to be rebooted that has no driver any more."""
    if container or not loaded.version:
        return []
    return ["the driver %s is loaded, and none is installed" % loaded.version]
