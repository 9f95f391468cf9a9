# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where file systems are mounted, and which of them are on this machine's own disks: known without asking them."""

from __future__ import annotations

from dataclasses import dataclass

_TABLE = "/proc/self/mountinfo"
#: File systems of this machine's own disks. Others may be a server's.
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "f2fs", "bcachefs", "ramfs"})


@dataclass(frozen=True)
class Mounts:
    """The mount points of a node, and the kind of what is mounted at each."""

    kinds: dict[str, str]

    def has(self, path: str) -> bool:
        """Return whether something is mounted at a path."""
        return path in self.kinds

    def is_local(self, path: str) -> bool:
        """Return whether a path is on a disk of this machine."""
        while path not in self.kinds and path != "/":
            path = path.rpartition("/")[0] or "/"
        return self.kinds.get(path) in _LOCAL


def of_this_node() -> Mounts:
    """Return what this process sees."""
    with open(_TABLE, encoding="utf-8", errors="surrogateescape") as stream:
        return parse(stream.read())


def parse(table: str) -> Mounts:
    """Read the text of ``/proc/self/mountinfo``; of two at one place, the later one is seen."""
    rows = [line.split(" - ") for line in table.splitlines() if " - " in line]
    return Mounts({before.split()[4].replace("\\040", " "): after.split()[0] for before, after in rows})
