# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The initial RAM disks that a node boots from: nouveau may be in them long after it was blacklisted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, disk_space

_MARGIN_BYTES = 8 << 20


@dataclass(frozen=True)
class Image:
    """The initial RAM disk of a kernel; ``written`` in nanoseconds since the epoch, ``size`` in bytes."""

    release: str
    path: str
    written: int
    size: int


@dataclass(frozen=True)
class Tool:
    """What makes initial RAM disks; in ``names`` and ``build`` %s is a kernel's release, in ``list`` comes a path."""

    program: str
    name: str
    build: tuple[str, ...]
    list: tuple[str, ...]


TOOLS = (
    Tool("update-initramfs", "initrd.img-%s", ("update-initramfs", "-u", "-k", "%s"), ("lsinitramfs",)),
    Tool("dracut", "initramfs-%s.img", ("dracut", "--force", "--kver", "%s"), ("lsinitrd",)),
)


def tool() -> Tool | None:
    """Return the node's tool, or None where there is none, as in containers."""
    return next((one for one in TOOLS if shutil.which(one.program)), None)


def images(one: Tool, releases: Iterable[str], boot: str = "/boot") -> list[Image]:
    """Return the RAM disks of those kernels that have one."""
    found = []
    for release in releases:
        path = os.path.join(boot, one.name % release)
        if os.path.exists(path):
            status = os.stat(path)
            found.append(Image(release, path, status.st_mtime_ns, status.st_size))
    return found


def stale(images: Sequence[Image], settings_written: int, now: int) -> list[Image]:
    """Return the RAM disks that are older than the settings that they have to follow.

    One whose time is in the future counts as older, since its age is not known.
    """
    return [image for image in images if image.written < settings_written or image.written > now]


def require_room(images: Sequence[Image], boot: str = "/boot") -> None:
    """Refuse to begin when the file system of ``boot`` has no room for a new RAM disk beside the old one.

    Raises
    ------
    EvenkeelError
        There is not enough free space.
    """
    needed = max((image.size for image in images), default=-_MARGIN_BYTES) + _MARGIN_BYTES
    remedy = "Remove kernels that are no longer booted, then run again; nothing was changed"
    disk_space.require_free({boot: needed}, "A new initial RAM disk", remedy)


def rebuild(one: Tool, images: Sequence[Image]) -> None:
    """Rebuild initial RAM disks.

    Raises
    ------
    EvenkeelError
        A tool failed; the old RAM disk stays in use.
    """
    for image in images:
        argv = [part % image.release if "%s" in part else part for part in one.build]
        command.require(argv, "Fix the error that it reports, and run again before you reboot the node")


def with_nouveau(one: Tool, images: Sequence[Image], settings: str) -> list[Image]:
    """Return the RAM disks that would load nouveau: those that have it, and not the settings that keep it off."""
    found = []
    for image in images:
        names = command.run([*one.list, image.path]).output
        if "/nouveau.ko" in names and os.path.basename(settings) not in names:
            found.append(image)
    return found
