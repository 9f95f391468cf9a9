# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The kernel drivers that are loaded, and the driver's libraries, read from files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
)
_NAMES = ("libcuda.so.1", "libnvidia-ml.so.1")
_VERSIONED = re.compile(r"lib(?:cuda|nvidia-ml)\.so\.(\d+\.\d+(?:\.\d+)?)$")
_MODPROBE = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_KEPT_OFF = re.compile(r"^\s*(?:blacklist\s+nouveau\s*$|install\s+nouveau\s+\S*/(?:false|true)\b)", re.MULTILINE)
_KEPT_OFF_AT_BOOT = re.compile(r"\b(?:modprobe\.blacklist|module_blacklist)=(?:\S*,)?nouveau(?:[,\s]|$)")


@dataclass(frozen=True)
class Loaded:
    """The NVIDIA module that is loaded, empty texts where none is, and whether nouveau is loaded."""

    version: str = ""
    flavour: str = ""
    nouveau: bool = False


def read(system: Sysroot) -> Loaded:
    """Return what is loaded: the proprietary module taints the kernel with a P."""
    nouveau = system.exists("/sys/module/nouveau")
    version = system.text("/sys/module/nvidia/version")
    if not version:
        return Loaded(nouveau=nouveau)
    return Loaded(version, "proprietary" if "P" in system.text("/sys/module/nvidia/taint") else "open", nouveau)


def keeps_nouveau_off(system: Sysroot) -> bool:
    """Return whether modprobe's settings or the kernel's command line forbid nouveau."""
    files = ["%s/%s" % (folder, name) for folder in _MODPROBE for name in system.names(folder, r".*\.conf$")]
    return any(map(_KEPT_OFF.search, map(system.text, files))) or bool(
        _KEPT_OFF_AT_BOOT.search(system.text("/proc/cmdline"))
    )


def library_version(system: Sysroot) -> str:
    """Return the version of the driver's libraries that programs get, or an empty string."""
    for folder in _LIBRARIES:
        for name in _NAMES:
            found = _VERSIONED.match(os.path.basename(system.resolve("%s/%s" % (folder, name))))
            if found and system.exists("%s/%s" % (folder, name)):
                return found.group(1)
    return ""
