# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Archives of bytecode on the control node, named by their own hashes, so that none of them is ever changed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Archive
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of, sync_directory

#: The name of a store beside a lock.
DIRECTORY = "bytecode"
#: How the names of files begin that are being written. A killed run leaves its own behind, without its lock.
_PARTIAL = ".evenkeel-partial-"
#: The oldest time that an archive can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files; equal files make equal archives."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _MODE
            archive.writestr(entry, content)
    return target.getvalue()


def archive_of(content: bytes) -> Archive:
    """Return what a packed archive is called."""
    return Archive(hashlib.sha256(content).hexdigest(), len(content))


def has(directory: Path, archive: Archive) -> bool:
    """Return whether a store has an archive, as it was made."""
    path = directory / archive.file
    return path.is_file() and path.stat().st_size == archive.size and sha256_of(str(path)) == archive.sha256


def add(directory: Path, contents: Iterable[bytes]) -> None:
    """Put archives into a store, each whole or not at all.

    Raises
    ------
    EvenkeelError
        The directory is full or can't be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for content in contents:
            _write(directory, archive_of(content).file, content)
        sync_directory(str(directory))
    except OSError as error:
        raise EvenkeelError(
            f"Bytecode can't be kept in {directory}: {path_of(error)}: {error.strerror}",
            f"{way_out(error, path_of(error))}, or name another directory with compile_store",
        ) from error


def _write(directory: Path, name: str, content: bytes) -> None:
    """Write a file that other machines may read; the run of another operator may write it at the same time."""
    with _partial(directory) as partial:
        partial.write_bytes(content)
        partial.chmod(0o644)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.rename(directory / name)


@contextlib.contextmanager
def _partial(directory: Path) -> Iterator[Path]:
    """Make a file that goes in the end, and that ``remove_abandoned`` leaves alone until then."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_PARTIAL, dir=directory)
        partial = Path(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if partial.exists():  # another run has not taken it for abandoned before it was locked
                yield partial
                return
        finally:
            partial.unlink(missing_ok=True)
            os.close(descriptor)


def remove_abandoned(directory: Path) -> None:
    """Remove what this user's killed runs have left unfinished in a store."""
    for partial in directory.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):  # a run has it, or it is no such file
            _remove_unused(partial)


def _remove_unused(partial: Path) -> None:
    descriptor = os.open(partial, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()
    finally:
        os.close(descriptor)


def remove(directory: Path, archives: Iterable[Archive]) -> None:
    """Remove archives from a store."""
    for archive in archives:
        (directory / archive.file).unlink(missing_ok=True)
