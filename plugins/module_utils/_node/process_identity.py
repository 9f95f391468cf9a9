# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which process on which machine something is: a number alone is given again, to other processes and after a boot."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os


def machine(root: str = "/") -> str:
    """Return which machine this is; empty where its processes can't be looked for.

    A container has processes of its own. Machines that are copies of one image differ by their network's hardware. With
    the option ``hidepid`` of /proc, users don't see the processes of others.
    """
    try:
        with open(os.path.join(root, "etc/machine-id")) as stream:
            number = stream.read().strip()
        processes = os.readlink(os.path.join(root, "proc/self/ns/pid"))
    except OSError:
        return ""
    if not number or not os.access(os.path.join(root, "proc/1/stat"), os.R_OK):
        return ""
    marks = [number, os.uname().nodename, processes, *_network_hardware(root)]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:16]


def _network_hardware(root: str) -> list[str]:
    """Return the addresses of interfaces that are devices, unlike those of containers and bridges."""
    addresses = []
    for device in glob.glob(os.path.join(root, "sys/class/net/*/device")):
        with contextlib.suppress(OSError), open(os.path.join(os.path.dirname(device), "address")) as stream:
            addresses.append(stream.read().strip())
    return sorted(addresses)


def of(pid: int, root: str = "/") -> str:
    """Return the identity of a process of this machine; empty where it has ended."""
    try:
        with open(os.path.join(root, "proc/sys/kernel/random/boot_id")) as stream:
            boot = stream.read().strip()
        with open(os.path.join(root, "proc", str(pid), "stat"), "rb") as stream:
            # Its name, in brackets, may be anything.
            state, *fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if state in b"ZX" else "%s %d %s" % (boot, pid, fields[18].decode())


def runs(identity: str, root: str = "/") -> bool:
    """Return whether a process of this machine has not ended."""
    try:
        return of(int(identity.split(" ")[1]), root) == identity
    except (IndexError, ValueError):
        return False
