# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a solver has to know of the node, in conda's terms."""

from __future__ import annotations

import ctypes
import os
import platform
import re

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: conda's names of the platforms, by the kernel's name of the machine.
PLATFORMS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}


def conda_platform(machine: str) -> str:
    """Return conda's name of the platform, such as ``linux-64``."""
    try:
        return PLATFORMS[machine]
    except KeyError:
        raise EvenkeelError(
            "The CPU architecture %s is not supported" % machine, "Supported: %s" % ", ".join(sorted(PLATFORMS))
        ) from None


def virtual_packages(kernel: str, glibc: str, cuda: str | None) -> dict[str, str]:
    """Return conda's virtual packages, name to version.

    Parameters
    ----------
    kernel
        The kernel's release, such as ``6.1.0-18-amd64``.
    glibc
        The C library's name and version as confstr returns them, such as ``glibc 2.36``.
    cuda
        The CUDA version that the driver supports, such as ``12.4``; None without a driver.
    """
    release = re.match(r"\d+(\.\d+){0,3}", kernel)
    packages = {"__unix": "0", "__linux": release.group() if release else "0", "__glibc": glibc.split()[-1]}
    if cuda is not None:
        packages["__cuda"] = cuda
    return packages


def this_node() -> tuple[str, dict[str, str]]:
    """Read the platform and the virtual packages of the machine that this runs on."""
    machine = os.uname()
    glibc = os.confstr("CS_GNU_LIBC_VERSION") or " ".join(platform.libc_ver())
    return conda_platform(machine.machine), virtual_packages(machine.release, glibc, driver_cuda_version())


def driver_cuda_version() -> str | None:
    """Ask the driver's own library for the CUDA version that it supports; None without a driver that answers."""
    version = ctypes.c_int(0)
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version)) != 0:
            return None
    except (OSError, AttributeError):  # there is no such library, or it is not what its name says
        return None
    return "%d.%d" % (version.value // 1000, version.value % 1000 // 10)
