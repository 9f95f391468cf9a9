# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of the machine it runs on, and the check that it is there."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
from collections.abc import Iterable
from pathlib import Path

from lab import paths
from lab.errors import LabError

PACKAGES = Path(__file__).with_name("debian-packages.txt")
NEEDED_BYTES = 6 * 2**30

_CAP_SYS_RESOURCE = 1 << 24
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
#: What systemd and the services of a node use of them.
_INOTIFY_OF_NODE = 5


def packages() -> dict[str, str]:
    """Return the Debian packages the lab needs, each with the program or path that shows it is installed."""
    return parse_packages(PACKAGES.read_text())


def parse_packages(text: str) -> dict[str, str]:
    """Read the table of packages; a line that starts with ``#`` is a comment."""
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return dict(rows)


def missing(packages: dict[str, str]) -> list[str]:
    """Return those ``packages`` whose sign is not on this machine."""
    return [package for package, sign in packages.items() if not _there(sign)]


def check() -> None:
    """Refuse to go on where the lab cannot work.

    Raises
    ------
    LabError
        Not root, or a program is missing.
    """
    if os.geteuid() != 0:
        raise LabError("the lab boots systemd in containers, and that takes root", "run the same command as root")
    if absent := missing(packages()):
        raise LabError(f"not installed: {', '.join(absent)}", install_command(absent))


def check_disk(place: Path = paths.CACHE, needed: int = NEEDED_BYTES) -> None:
    """Refuse to build with less than ``needed`` bytes free where ``place`` is or will be.

    Raises
    ------
    LabError
        The file system is too full.
    """
    standing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(standing).free
    if free < needed:
        raise LabError(
            f"{free / 2**30:.1f} GiB free at {standing}, {needed / 2**30:.0f} GiB needed",
            "free some, or name a roomier place: export EVENKEEL_CACHE=/path",
        )


def check_inotify(nodes: int) -> None:
    """Refuse to start more nodes than the machine can watch files for: they would boot without some of their services.

    Raises
    ------
    LabError
        All nodes and this user share too few instances of inotify.
    """
    needed = nodes * _INOTIFY_OF_NODE
    free = _free_inotify(needed)
    if free < needed:
        raise LabError(
            f"{nodes} more nodes need {needed} instances of inotify, and {free} are free: "
            f"fs.inotify.max_user_instances is {_INOTIFY.read_text().strip()}",
            "take other nodes down, or raise it: sysctl fs.inotify.max_user_instances=1024",
        )


def _free_inotify(most: int) -> int:
    """Return how many instances this user can have now, up to ``most``."""
    begin = ctypes.CDLL(None).inotify_init1
    opened: list[int] = []
    try:
        while len(opened) < most and (descriptor := begin(os.O_CLOEXEC)) >= 0:
            opened.append(descriptor)
        return len(opened)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def install_command(packages: Iterable[str]) -> str:
    """Return the command that installs ``packages`` on a Debian machine."""
    return f"apt-get install --yes --no-install-recommends {' '.join(packages)}"


def unified_cgroups() -> bool:
    """Return whether the machine has cgroup v2 alone, as systemd and crun expect today."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def fixed_limits() -> dict[str, int]:
    """Return the hard resource limits a container would inherit, none where the kernel lets this process raise them."""
    capabilities = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if capabilities and int(capabilities[1], 16) & _CAP_SYS_RESOURCE:
        return {}
    nofile, nproc = (resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    pid_max = int(Path("/proc/sys/kernel/pid_max").read_text())  # what podman lowers its own nproc to
    limits = {"nofile": nofile, "nproc": pid_max if nproc == resource.RLIM_INFINITY else min(nproc, pid_max)}
    return {name: limit for name, limit in limits.items() if limit != resource.RLIM_INFINITY}


def _there(sign: str) -> bool:
    return Path(sign).exists() if sign.startswith("/") else shutil.which(sign) is not None
