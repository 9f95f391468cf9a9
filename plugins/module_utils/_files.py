# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError


def write_atomically(path: str, text: str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` by ``text`` in one rename; until then root alone can read it.

    Parameters
    ----------
    owner
        Ids of a user and a group; whoever runs this when not given.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".%s." % os.path.basename(path), dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if owner:
            os.chown(temporary, *owner)
        os.chmod(temporary, mode)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def link_atomically(link: str, target: str) -> None:
    """Point the symbolic link ``link`` at ``target`` in one rename; the caller holds a lock."""
    directory = os.path.dirname(link)
    os.makedirs(directory, mode=0o755, exist_ok=True)
    temporary = os.path.join(directory, ".%s.partial" % os.path.basename(link))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    os.symlink(target, temporary)
    try:
        os.rename(temporary, link)
    except BaseException:
        os.unlink(temporary)
        raise


def require_normalised(name: str, path: str) -> None:
    """Refuse a path that is not absolute or has more than one spelling of the same place."""
    if os.path.normpath("/" + path.lstrip("/")) != path or path == "/":
        raise EvenkeelError(
            "%s is %r, which is not a normalised absolute path" % (name, path),
            "Write it from / on, without a slash at its end, '//', '.' or '..'",
        )


def require_space(path: str, needed: int, what: str) -> None:
    """Refuse to begin what the file system of ``path`` has no room for.

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
    """Say that the file system of ``path`` is full."""
    return EvenkeelError(
        "No space left on the file system of %s (%d MiB free); nothing half-made was kept"
        % (path, shutil.disk_usage(path).free >> 20),
        "Free some space there, or choose a directory on a larger file system",
    )
