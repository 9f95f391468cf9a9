# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system in a file, whose power can be cut: what the kernel has not written to it is not in the file."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

#: What changes names.
_CHANGES = ("link", "mkdir", "rename", "rmdir", "symlink", "unlink")


class Disk:
    """A file system of a machine's.

    Parameters
    ----------
    place
        Where it is mounted.
    image
        The file that it is in.
    """

    def __init__(self, host: Host, place: str, image: str) -> None:
        self.host, self.place, self.image = host, place, image

    def begin(self, size: str) -> None:
        """Make an empty file system."""
        self.host.check_output(f"mkdir -p {self.place} && truncate -s {size} {self.image}")
        self.host.check_output(f"mkfs.ext4 -q -F {self.image}")
        self._mount(self.image)

    def restart(self, image: str) -> None:
        """Go on with what another file holds."""
        self.host.check_output(f"until umount {self.place}; do sleep 0.05; done")
        self._mount(image)

    def end(self) -> None:
        """Remove what ``begin`` made, and nothing else."""
        self.host.run(f"mountpoint -q {self.place} && umount {self.place}")
        self.host.check_output(f"rm -f {self.image} && rmdir {self.place}")

    def _mount(self, image: str) -> None:
        self.host.check_output(f"mount -o loop {image} {self.place}")


def lacks(host: Host) -> str:
    """Return what a machine lacks to have a disk in a file; empty when it can."""
    for command in ("command -v mkfs.ext4", "losetup --find"):
        tried = host.run(command)
        if tried.rc != 0:
            return f"{command}: {tried.stderr.strip() or 'not there'}"
    return ""


@contextmanager
def power_cuts(disk: Disk, folder: Path, *, names_are_written: bool) -> Iterator[list[Path]]:
    """Copy a disk of this machine before each change of a name that a block makes on it, and at the block's end.

    Parameters
    ----------
    names_are_written
        Whether the kernel has just written all names, sizes and renames, as it does every few seconds. What is in files
        is written later.
    """
    found: list[Path] = []
    turn = threading.Lock()

    def keep() -> None:
        with turn:
            if names_are_written:  # by the sync of an unrelated file
                with Path(disk.place, "unrelated").open("w") as stream:
                    stream.write("text")
                    stream.flush()
                    os.fsync(stream.fileno())
            image = folder / f"{len(found):03}.img"
            subprocess.run(["cp", "--sparse=always", disk.image, image], check=True)
            found.append(image)

    def cut(change: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*paths: Any, **options: Any) -> Any:
            if any(_is_below(disk.place, path, options.get("dir_fd")) for path in paths):
                keep()
            return change(*paths, **options)

        return changing

    with pytest.MonkeyPatch.context() as patch:
        for name in _CHANGES:
            patch.setattr(os, name, cut(getattr(os, name)))
        yield found
    keep()


def _is_below(place: str, path: Any, folder: int | None) -> bool:
    if not isinstance(path, str | os.PathLike):
        return False
    above = Path(f"/proc/self/fd/{folder}").readlink() if folder is not None else Path()
    return (above / path).is_relative_to(place)
