# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The progress of a build, in a file that others may read meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator

INTERVAL_SECONDS = 0.25


class Progress:
    """Writes the progress to ``path``, which is absent before and after; what can't be written is left out.

    Parameters
    ----------
    path
        The file. One process at a time writes it, the holder of the environment's lock.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._due = 0.0
        self.close()

    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Write the progress, at most four times a second.

        Parameters
        ----------
        step
            ``fetch``, ``link``, ``compile``, ``pip`` or ``sync``.
        packages, of
            How many packages the step is through with, and of how many; files of bytecode in ``compile``; how many
            seconds it has taken in ``sync``, of 0.
        bytes_, of_bytes
            The same of the bytes to download; 0 of 0 where a step counts none.
        """
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + INTERVAL_SECONDS
        content = {"step": step, "packages": packages, "of": of, "bytes": bytes_, "of_bytes": of_bytes}
        partial = self._path + ".partial"
        with contextlib.suppress(OSError):
            with open(partial, "w", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), 0o644)
                json.dump(content, stream)
            os.rename(partial, self._path)

    def wait(self, seconds: int) -> None:
        """Write how many seconds the disk has been waited for."""
        self.update("sync", seconds, 0, 0, 0)

    def close(self) -> None:
        """Remove the file, and what a killed run left of it."""
        for path in (self._path, self._path + ".partial"):
            with contextlib.suppress(OSError):
                os.unlink(path)


@contextlib.contextmanager
def progress_in(path: str) -> Iterator[Progress]:
    """Yield a progress in ``path``, whose directory is made if it is missing, and remove it at the end."""
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    progress = Progress(path)
    try:
        yield progress
    finally:
        progress.close()
