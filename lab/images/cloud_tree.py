# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a cloud image as a tree, with what makes them a machine of the lab."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from lab import process
from lab.images import image
from lab.upstream.debian import apt_sources

#: What runs other scripts with the tree.
SCRIPT = Path(__file__).with_suffix(".sh")
LOOP_REMEDY = "modprobe loop; a container needs --privileged, and the host's /dev/loop*"

_REMEDY = "does this machine reach the distribution's packages (https_proxy)? Is the file its cloud image?"
#: The type of a partition that is /boot.
_BOOT = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
_SECTOR = 512


def make(
    cloud: Path, tree: Path, scripts: Iterable[Path], settings: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Make ``tree`` of an image, and run scripts with it that read ``settings``.

    Raises
    ------
    LabError
        This machine has no loop device, the file is no image, or its distribution's packages can't be had.
    """
    process.run(["losetup", "--find"], remedy=LOOP_REMEDY)
    say(f"unpacking {cloud.name}")
    disk = tree.with_name("disk.raw")
    process.run(["qemu-img", "convert", "-O", "raw", cloud, disk], remedy=_REMEDY)
    columns = ["--noheadings", "--raw", "--output", "START,SECTORS,TYPE"]
    partitions = process.run(["partx", *columns, disk], remedy=_REMEDY)
    say("installing what it lacks")
    process.run(
        [*image.CONFINED, "sh", SCRIPT, disk, tree, *root_and_boot(partitions), *scripts],
        env={**os.environ, **settings},
        stdin="".join(f"{line}\n" for line in ('APT::Sandbox::User "root";', *apt_sources.transport_options())),
        remedy=_REMEDY,
    )
    disk.unlink()


def root_and_boot(listed: str) -> tuple[str, str]:
    """Return where on a disk its root is, and /boot where that is a partition of its own, as options of mount.

    ``listed`` are partitions as partx lists them: start, size and type. The largest one is the root.
    """
    rows = [line.split() for line in listed.splitlines()]
    root = max(rows, key=lambda row: int(row[1]))
    boot = [row for row in rows if row[2:] == [_BOOT]]
    return _where(root), _where(boot[0]) if boot else ""


def _where(row: Sequence[str]) -> str:
    start, size = (int(sectors) * _SECTOR for sectors in row[:2])
    return f"offset={start},sizelimit={size}"
