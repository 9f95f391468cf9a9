# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Locks between Evenkeel's own runs on one machine; a killed holder releases its lock.

A user who can open a lock file can hold it. So a lock is in a folder that its owner alone can enter.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import stat
import time
from collections.abc import Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, way_out

POLL_SECONDS = 0.2
#: How many holders an error names.
_MOST_NAMED = 3


@contextlib.contextmanager
def held(path: str, timeout: float) -> Iterator[int]:
    """Hold the lock file ``path`` exclusively; wait at most ``timeout`` seconds for another run to release it.

    Yields the lock's file descriptor. A child that inherits it keeps the lock until it ends, even when this process is
    killed, so that no other run touches what an orphan is still writing.

    Parameters
    ----------
    path
        Its folder is for locks alone, and becomes private.

    Raises
    ------
    EvenkeelError
        The lock is still held, or something else is at its path.
    """
    descriptor = open_private(path)
    try:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    waited = " after %d s" % timeout if timeout else ""
                    raise EvenkeelError(
                        "%s is still locked by %s%s" % (path, holders(descriptor), waited),
                        "Wait for it to end, or end it, and run again",
                    ) from None
                time.sleep(POLL_SECONDS)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except OSError as error:
            raise from_os(error, path) from error
        yield descriptor
    finally:
        os.close(descriptor)


def open_private(path: str) -> int:
    """Open a lock file that others can't open, in a folder that others can't enter; both are made or made private."""
    folder = os.path.dirname(path)
    os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _make_private(directory, folder, 0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(os.path.basename(path), flags, 0o600, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            _make_private(descriptor, path, 0o600)
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise EvenkeelError(
            "The lock %s can't be opened: %s" % (path, error.strerror),
            "%s, or move away what is there: Evenkeel makes a new one" % way_out(error, path),
        ) from error
    return descriptor


def holders(descriptor: int, proc: str = "/proc") -> str:
    """Describe the processes that hold the lock which is open here, by what the kernel knows of them.

    The lock file's own content is not trusted.
    """
    path = os.readlink(os.path.join(proc, "self", "fd", str(descriptor)))
    found = []
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):
        home = os.path.join(proc, str(pid))
        with contextlib.suppress(OSError):
            if any(_holds(home, number, path) for number in os.listdir(os.path.join(home, "fd"))):
                found.append("process %d (%s of %s)" % (pid, _command(home), _user(home)))
    more = ["%d more" % (len(found) - _MOST_NAMED)] if len(found) > _MOST_NAMED else []
    return ", ".join([*found[:_MOST_NAMED], *more]) or "another run"


def _make_private(descriptor: int, path: str, mode: int) -> None:
    """Remove the permissions of others for an open file or folder.

    Raises
    ------
    EvenkeelError
        It is neither, or it belongs to another user.
    """
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise EvenkeelError(
            "%s is for Evenkeel's locks, and is not a file or folder of the user %d" % (path, os.geteuid()),
            "Move it away; Evenkeel makes a new one",
        )
    if stat.S_IMODE(status.st_mode) != mode:
        os.fchmod(descriptor, mode)


def _holds(home: str, number: str, path: str) -> bool:
    """Whether a process holds the lock by this descriptor, its own or one that it inherited."""
    try:
        if os.readlink(os.path.join(home, "fd", number)) != path:
            return False
        with open(os.path.join(home, "fdinfo", number)) as stream:
            return any(line.startswith("lock:") and "FLOCK" in line and "->" not in line for line in stream)
    except OSError:  # it was closed meanwhile
        return False


def _command(home: str) -> str:
    with open(os.path.join(home, "comm"), errors="replace") as stream:
        return stream.read().strip()


def _user(home: str) -> str:
    uid = os.stat(home).st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "user %d" % uid
