# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes of the lab; the kernel frees them when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from lab import paths

FOLDER = paths.STATE / "locks"


@contextmanager
def held(name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock ``name``, waiting for it as long as it takes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def held_if_free(name: str) -> Iterator[bool]:
    """Hold the lock ``name`` alone if nobody has it; the value tells whether it worked."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
