# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Temporary folders of a run. A killed run leaves its own behind, without the lock that it has while it is in use."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator

#: Where there is room for much, and for what has to outlast a reboot.
LARGE = "/var/tmp"  # noqa: S108
PLACES = ("/tmp", LARGE)  # noqa: S108
_PREFIX = "evenkeel-%s-"
#: What such folders are for.
_KINDS = ("repository", "driver", "dkms", "runfile", "pip", "files", "tools", "locks", "copy")


@contextlib.contextmanager
def made(kind: str, place: str | None = None) -> Iterator[str]:
    """Make a folder that goes in the end, and that ``remove_abandoned`` leaves alone until then.

    Parameters
    ----------
    kind
        What it is for; one of ``_KINDS``.
    place
        The folder in which it is made; None is the system's own for temporary files.
    """
    while True:
        with tempfile.TemporaryDirectory(prefix=_PREFIX % kind, dir=place) as folder:
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:  # another run has taken it for abandoned before it was locked
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_SH)
                if os.path.exists(folder):
                    yield folder
                    return
            finally:
                os.close(lock)


def remove_abandoned() -> None:
    """Remove this user's folders that no run uses any more."""
    for place in {*PLACES, tempfile.gettempdir()}:
        for kind in _KINDS:
            for folder in glob.glob(os.path.join(place, _PREFIX % kind + "*")):
                with contextlib.suppress(OSError):
                    _remove_unused(folder)


def _remove_unused(folder: str) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(lock)
