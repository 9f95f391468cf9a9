# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Atomic and durable changes of files: complete or absent, also after a power cut."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import select
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: How often the wait for a disk is reported.
POLL_SECONDS = 1.0
CHUNK_BYTES = 1 << 20


def write_atomically(path: str, text: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` by ``text`` in one rename, which is on the disk afterwards; until then root alone can read it.

    Parameters
    ----------
    owner
        Ids of a user and a group; those of this process when not given.
    """
    temporary = _written_beside(path, text, mode, owner)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path))


def write_all_atomically(texts: Iterable[tuple[str, str]]) -> None:
    """Replace files by texts, in this order; all texts are on the disk before the first file changes.

    Parameters
    ----------
    texts
        Each a path and its text.
    """
    written: list[tuple[str, str]] = []
    try:
        for path, text in texts:
            written.append((_written_beside(path, text), path))
        directories = {os.path.dirname(path) for _unused, path in written}
        while written:
            os.rename(*written[0])
            del written[0]
    finally:
        for temporary, _unused in written:
            os.unlink(temporary)
    for directory in sorted(directories):
        sync_directory(directory)


def _written_beside(path: str, text: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> str:
    """Return the path of a new file beside ``path`` with its text, which is on the disk."""
    descriptor, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if owner:
            os.chown(temporary, *owner)
        os.chmod(temporary, mode)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def link_atomically(link: str, target: str) -> None:
    """Point the symbolic link ``link`` at ``target`` in one rename, which is on the disk afterwards.

    The caller holds a lock.
    """
    directory = os.path.dirname(link)
    make_directories(directory)
    temporary = os.path.join(directory, ".%s.partial" % os.path.basename(link))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, link)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(directory)


def rename_durably(source: str, target: str) -> None:
    """Rename a file or directory; the new name is on the disk afterwards."""
    os.rename(source, target)
    for directory in sorted({os.path.dirname(source), os.path.dirname(target)}):
        sync_directory(directory)


def remove_at_once(path: str, doomed: str) -> None:
    """Remove a directory under another name, so that what an interruption leaves does not pass for whole.

    Parameters
    ----------
    doomed
        The other name, on the same file system. Nothing is there.
    """
    rename_durably(path, doomed)
    shutil.rmtree(doomed)


def make_directories(path: str, mode: int = 0o755) -> None:
    """Make a directory and those above it that are missing; their names are on the disk afterwards."""
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, mode)
        except FileExistsError:
            if not os.path.isdir(directory):  # otherwise another run was faster
                raise
        sync_directory(os.path.dirname(directory))


def sync_directory(path: str) -> None:
    """Sync a directory to the disk, where its file system supports it and it may be opened."""
    try:
        descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def sync_file_systems(paths: Iterable[str], waiting: Callable[[int], None] = lambda seconds: None) -> None:
    """Bring all that was written to the file systems of ``paths`` to their disks: once for each, whatever wrote it.

    Others' unwritten data on these file systems has to be written too, so this may take minutes. It happens in a child,
    and this process stays able to report and to be ended.

    Parameters
    ----------
    paths
        Existing files or directories.
    waiting
        Called about every second with the seconds that it has taken.

    Raises
    ------
    EvenkeelError
        Something could not be written.
    """
    by_device: dict[int, str] = {}
    for path in paths:
        by_device.setdefault(os.stat(path).st_dev, path)
    start = time.monotonic()
    for path in by_device.values():
        for _unused in _while_it_syncs(path):
            waiting(int(time.monotonic() - start))


def _while_it_syncs(path: str) -> Iterator[None]:
    """Sync the file system of ``path`` in a child; yield every second until it ends."""
    sync = _syncfs()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    answer, answering = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(answering, b"%d" % sync(descriptor))
        finally:
            os._exit(0)
    try:
        os.close(descriptor)
        os.close(answering)
        while not select.select([answer], [], [], POLL_SECONDS)[0]:
            yield
        said = os.read(answer, 16)
    finally:
        os.close(answer)
    os.waitpid(child, 0)
    if said != b"0":
        why = os.strerror(int(said)) if said else "the process that wrote it was ended"
        raise EvenkeelError(
            "What was written to the file system of %s did not reach its disk: %s" % (path, why),
            "Nothing that depends on it was declared complete. Look at the disk and the kernel's log, and run again",
        )


def _syncfs() -> Callable[[int], int]:
    """Return a function that syncs the file system of a descriptor, and returns an error's number or 0."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)

    def sync(descriptor: int) -> int:
        if function is None:
            os.sync()  # all file systems, without a report of failures
        elif function(descriptor) != 0:
            return ctypes.get_errno()
        return 0

    return sync


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as stream:
        return sha256_of_chunks(chunks(stream.read))


def sha256_of_chunks(parts: Iterable[bytes], take: Callable[[bytes], object] = lambda part: None) -> str:
    """Return the SHA-256 of what is read.

    Parameters
    ----------
    parts
        What is read, such as ``chunks``.
    take
        Called with each part, for what else is to be done with it meanwhile.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
        take(part)
    return digest.hexdigest()


def chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield what a function such as a stream's ``read`` returns, up to the end."""
    return iter(lambda: read(CHUNK_BYTES), b"")


def require_normalised(name: str, path: str) -> None:
    """Refuse a path that is not absolute or has more than one spelling of the same place."""
    if os.path.normpath("/" + path.lstrip("/")) != path or path == "/":
        raise EvenkeelError(
            "%s is %r, which is not a normalised absolute path" % (name, path),
            "Write it from / on, without a slash at its end, '//', '.' or '..'",
        )


def existing(path: str) -> str:
    """Return a directory, or where it is not there yet, the one of those above it that is."""
    while path and not os.path.isdir(path):
        path = os.path.dirname(path)
    return path or os.curdir


def require_space(path: str, needed: int, what: str) -> None:
    """Refuse what the file system of ``path`` has no room for.

    Parameters
    ----------
    path
        An existing directory.
    needed
        Bytes.
    what
        What needs them.
    """
    free = shutil.disk_usage(path).free
    if free < needed:
        raise EvenkeelError(
            "%s needs %d bytes, and the file system of %s has %d free" % (what, needed, path, free),
            "Free some space there, or choose a directory on a larger file system",
        )


def disk_full(path: str) -> EvenkeelError:
    """Return the error that the file system of ``path`` is full."""
    return EvenkeelError(
        "No space left on the file system of %s (%d MiB free); no incomplete file was kept"
        % (path, shutil.disk_usage(path).free >> 20),
        "Free some space there, or choose a directory on a larger file system",
    )
