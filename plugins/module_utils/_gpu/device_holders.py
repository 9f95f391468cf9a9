# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which processes have a GPU open."""

from __future__ import annotations

import contextlib
import os
import pwd
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.tcp_port import parse_unit

_DEVICES = "/dev/nvidia"


@dataclass(frozen=True)
class Holder:
    """A process with NVIDIA's devices open; the module ``gpu_facts`` documents the fields."""

    pid: int
    command: str
    user: str
    devices: tuple[str, ...]
    unit: str


def read(system: Sysroot) -> list[Holder]:
    """Return the processes that hold a device; without root, only the user's own can be seen."""
    if not system.names("/dev", "nvidia"):
        return []
    found = []
    for pid in sorted(map(int, system.names("/proc", r"\d+$"))):
        home = "/proc/%d" % pid
        devices = _devices(system.outside(home + "/fd"))
        if devices:
            unit = parse_unit(system.text(home + "/cgroup"))
            found.append(Holder(pid, system.text(home + "/comm"), _user(system.outside(home)), devices, unit))
    return found


def _devices(folder: str) -> tuple[str, ...]:
    devices = set()
    with contextlib.suppress(OSError), os.scandir(folder) as descriptors:
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                target = os.readlink(descriptor.path)
                if target.startswith(_DEVICES):
                    devices.add(target)
    return tuple(sorted(devices))


def _user(home: str) -> str:
    try:
        uid = os.stat(home).st_uid
    except OSError:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
