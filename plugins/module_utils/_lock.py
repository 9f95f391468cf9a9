# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Locks between Evenkeel's own runs on one node; a killed holder releases its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

POLL_SECONDS = 0.2


@contextlib.contextmanager
def held(path: str, timeout: float) -> Iterator[int]:
    """Hold the lock file ``path`` exclusively; wait at most ``timeout`` seconds for another run to release it.

    Yields the lock's file descriptor. A child that inherits it keeps the lock until it ends, even when this process is
    killed, so that nobody touches what an orphan is still writing.
    """
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip() or "unknown"
                    raise EvenkeelError(
                        "%s is still locked by process %s, or a child of it, after %d s" % (path, holder, timeout),
                        "Wait for the other run to end, or end it, and run again",
                    ) from None
                time.sleep(POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)
