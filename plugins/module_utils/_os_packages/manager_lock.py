# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The locks of package managers: wait for them for a bounded time, and name the process that holds them."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: ``struct flock`` of 64-bit Linux: type, whence, start, length, pid.
_FLOCK = "hhqqi4x"
_PAUSE = 0.5


def wait(paths: Sequence[str], timeout: float) -> None:
    """Wait until no process holds the lock files.

    Parameters
    ----------
    paths
        Lock files, which need not exist.
    timeout
        How many seconds at most.

    Raises
    ------
    EvenkeelError
        A process still holds one.
    """
    end = time.monotonic() + timeout
    while True:
        found = held(paths)
        if found is None:
            return
        if time.monotonic() >= end:
            path, pid = found
            raise EvenkeelError(
                "%s has been locked for %d seconds by %s" % (path, timeout, describe(pid)),
                "Wait until it ends and run again, or stop it",
            )
        time.sleep(_PAUSE)


def busy(paths: Sequence[str]) -> str:
    """Return which of the lock files is held at this moment, and by whom; empty where none is."""
    found = held(paths)
    return "%s is locked by %s" % (found[0], describe(found[1])) if found else ""


def held(paths: Sequence[str]) -> tuple[str, int] | None:
    """Return the first of the lock files that is held, and the process that holds it; None where none is."""
    return next(((path, pid) for path in paths for pid in [holder(path)] if pid is not None), None)


def holder(path: str) -> int | None:
    """Return the id of the process that holds a POSIX lock on a file, or None; -1 where the kernel doesn't say."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _unused, _unused, _unused, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else pid or -1
    finally:
        os.close(descriptor)


def describe(pid: int, proc: str = "/proc") -> str:
    """Return the words by which a person knows a process: its command line and id."""
    try:
        with open(os.path.join(proc, str(pid), "cmdline"), "rb") as stream:
            words = stream.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "a process that /proc does not show"
    return "%s, pid %d" % (words or "a kernel thread", pid)
