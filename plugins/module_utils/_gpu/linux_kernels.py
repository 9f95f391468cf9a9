# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The kernels that a node may boot, and the NVIDIA module that each has."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command

#: Where a module may come to lie; depmod looks for it in this order.
_PLACES = ("updates", "extra", "weak-updates", "kernel")
#: Debian's own packages name the module nvidia-current, and have modprobe know it as nvidia.
_NAMES = tuple(name + suffix for name in ("nvidia.ko", "nvidia-current.ko") for suffix in ("", ".xz", ".zst", ".gz"))


@dataclass(frozen=True)
class Kernel:
    """A kernel that is installed.

    Parameters
    ----------
    release
        As ``uname -r`` says it.
    headers
        Whether modules can be built for it.
    module
        The version of its NVIDIA module; empty when it has none.
    flavour
        The flavour of the module.
    signed
        Whether anybody has signed the module.
    """

    release: str
    headers: bool
    module: str = ""
    flavour: str = ""
    signed: bool = False


def read(root: str = "/") -> list[Kernel]:
    """Return the kernels below ``root`` that a boot loader may choose."""
    modules = os.path.join(root, "lib/modules")
    releases = sorted(os.listdir(modules)) if os.path.isdir(modules) else []
    found = []
    for release in releases:
        folder = os.path.join(modules, release)
        images = (os.path.join(root, "boot", "vmlinuz-%s" % release), os.path.join(folder, "vmlinuz"))
        if any(map(os.path.exists, images)):
            headers = os.path.exists(os.path.join(folder, "build", "include"))
            found.append(Kernel(release, headers, *_module(folder)))
    return found


def without_module(kernels: Sequence[Kernel], version: str) -> list[Kernel]:
    """Return the kernels whose module is not of a version, any when that is empty."""
    return [kernel for kernel in kernels if not kernel.module or version not in ("", kernel.module)]


def unsigned(kernels: Sequence[Kernel], version: str) -> list[Kernel]:
    """Return the kernels whose module of a version, any when that is empty, nobody has signed."""
    return [kernel for kernel in kernels if kernel.module and not kernel.signed and version in ("", kernel.module)]


def flavour_of(licence: str) -> str:
    """Return a module's flavour by the licence that it declares."""
    return "" if not licence else "proprietary" if licence == "NVIDIA" else "open"


def _module(folder: str) -> tuple[str, str, bool]:
    """Return version and flavour of the NVIDIA module below a kernel's folder, and whether it is signed."""
    path = next(module_files(folder), None)
    if path is None:
        return "", "", False
    version, licence, signature = (
        command.run(["modinfo", "-F", field, path]).output.strip() for field in ("version", "license", "sig_id")
    )
    return version, flavour_of(licence), bool(signature)


def module_files(folder: str) -> Iterator[str]:
    for place in _PLACES:
        for directory, _, names in os.walk(os.path.join(folder, place)):
            for name in _NAMES:
                if name in names:
                    yield os.path.join(directory, name)
