# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a cloud image as a tree, with what makes them a machine of the lab."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import process
from lab.errors import LabError
from lab.images import image
from lab.upstream.debian import apt_sources

#: What copies the files, and what runs other scripts with them.
UNPACK, INSTALL = SCRIPTS = (Path(__file__).with_name("cloud_tree_unpack.sh"), Path(__file__).with_suffix(".sh"))
LOOP_REMEDY = "modprobe loop; a container needs --privileged, and the host's /dev/loop*"

#: The header of qcow2: magic, version, where in the file the name of a backing file is, and features since version 3.
_QCOW2 = struct.Struct(">4sIQ56xQ")
_MAGIC, _WITH_FEATURES, _EXTERNAL_DATA = b"QFI\xfb", 3, 1 << 2
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
    form, remedy = format_of(cloud), _remedy(cloud)
    process.run(["losetup", "--find"], remedy=LOOP_REMEDY)
    with TemporaryDirectory(dir=tree.parent) as scratch:
        say(f"unpacking {cloud.name}")
        disk = Path(scratch, "disk.raw")
        process.run(["qemu-img", "convert", "-f", form, "-O", "raw", cloud, disk], remedy=remedy)
        columns = ["--noheadings", "--raw", "--output", "START,SECTORS,TYPE"]
        partitions = process.run(["partx", *columns, disk], remedy=remedy)
        if not partitions.strip():
            raise LabError(f"{cloud} has no partitions", remedy)
        process.run([*image.CONFINED, "sh", UNPACK, disk, tree, *root_and_boot(partitions)], remedy=remedy)
    say("installing what it lacks")
    process.run(
        [*image.CONFINED, "sh", INSTALL, tree, *scripts],
        env={**os.environ, **settings},
        stdin="".join(f"{line}\n" for line in ('APT::Sandbox::User "root";', *apt_sources.transport_options())),
        remedy="does this machine reach the distribution's packages (https_proxy)? Is the file its cloud image?",
    )


def format_of(cloud: Path) -> str:
    """Return the format of an image as qemu-img names it, ``qcow2`` or ``raw``.

    Raises
    ------
    LabError
        It names another file, which qemu-img would read as root.
    """
    with cloud.open("rb") as file:
        header = file.read(_QCOW2.size)
    if len(header) < _QCOW2.size or not header.startswith(_MAGIC):
        return "raw"
    _magic, version, backing, features = _QCOW2.unpack(header)
    if backing or (version >= _WITH_FEATURES and features & _EXTERNAL_DATA):
        raise LabError(f"{cloud} names another file as a part of it", _remedy(cloud))
    return "qcow2"


def _remedy(cloud: Path) -> str:
    return f"is {cloud} a cloud image? It must be a disk as qcow2 or raw, whole, whose largest partition is its root"


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
