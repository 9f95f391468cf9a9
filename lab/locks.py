# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between processes of the lab; the kernel frees them when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab import paths

if TYPE_CHECKING:
    from rich.progress import Progress

FOLDER = paths.STATE / "locks"


@contextmanager
def held(name: str, *, shared: bool = False, progress: Progress | None = None) -> Iterator[None]:
    """Hold the lock ``name``, waiting for it as long as it takes; ``progress`` shows that wait."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / name).open("w") as file:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            task = progress.add_task(f"waiting for another lab command ({name})", total=None) if progress else None
            fcntl.flock(file, kind)
            if progress and task is not None:
                progress.remove_task(task)
        yield


@contextmanager
def held_if_free(name: str) -> Iterator[bool]:
    """Hold the lock ``name`` exclusively if nobody has it; the value is whether it worked."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
