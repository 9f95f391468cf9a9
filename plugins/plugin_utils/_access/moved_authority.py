# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""An authority that version 0.1 has kept in the inventory, where Ansible read its files as lists of hosts."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import folders, site_directory

#: The name of its directory, then and now.
EARLIER, NAME = "evenkeel-ca", "ca"
_LOCK, _IGNORED = ".lock", ".gitignore"


def earlier_than(directory: Path, variables: Mapping[str, Any]) -> Path | None:
    """Return where version 0.1 has kept the authority; None where an operator has chosen its directory.

    Parameters
    ----------
    variables
        The host's.
    """
    if directory != site_directory.of_host(variables) / NAME:
        return None
    return Path(variables.get("playbook_dir", "."), str(variables.get("inventory_dir")), EARLIER)


def standing(directory: Path, earlier: Path | None, names: Iterable[str]) -> dict[str, Path]:
    """Return where each file of the authority is, or would be; a move may have been interrupted between them.

    Raises
    ------
    EvenkeelError
        A file is in both directories, with different content.
    """
    return {name: _standing(directory, earlier, name) for name in names}


def move(directory: Path, earlier: Path, modes: Mapping[str, int]) -> bool:
    """Move the authority's files to their directory; return whether there were any.

    The first of Ansible's workers to ask moves them, the others wait.

    Parameters
    ----------
    modes
        Of each file.

    Raises
    ------
    EvenkeelError
        See ``standing``; or they can't be moved.
    """
    try:
        with _held(earlier) as there:
            left = [name for name in modes if there and (earlier / name).exists()]
            places = standing(directory, earlier, left)
            if left and earlier.is_symlink() and not os.path.lexists(directory):
                site_directory.make(directory.parent)
                directory.symlink_to(earlier.resolve())
                earlier.unlink()
                return True
            for name in left:
                if places[name].parent == earlier:
                    site_directory.make(directory, 0o700)
                    write_atomically(str(directory / name), (earlier / name).read_text(), modes[name])
                (earlier / name).unlink()
            if there:
                _clear(earlier)
            return bool(left)
    except OSError as error:
        raise _immovable(directory, earlier, error) from error


def require_movable(directory: Path, earlier: Path) -> None:
    """Refuse what ``move`` could not move, without moving it.

    Raises
    ------
    EvenkeelError
        One of the directories can't be written to.
    """
    for folder in (directory, earlier, *([earlier.parent] if earlier.is_symlink() else [])):
        if why := folders.unwritable(folder):
            raise _immovable(directory, earlier, why)


def _immovable(directory: Path, earlier: Path, why: object) -> EvenkeelError:
    return EvenkeelError(f"The authority in {earlier} can't be moved to {directory}: {why}", "Move its files by hand")


def _standing(directory: Path, earlier: Path | None, name: str) -> Path:
    now = directory / name
    if earlier is None or not (earlier / name).exists():
        return now
    if not now.exists():
        return earlier / name
    if now.read_bytes() != (earlier / name).read_bytes():
        raise EvenkeelError(
            f"{earlier / name} and {now} are different, and there can be one authority",
            f"Move away the directory of the one that clients don't trust; the other belongs in {directory}",
        )
    return now


@contextmanager
def _held(earlier: Path) -> Iterator[bool]:
    """Hold the lock with which version 0.1, too, makes the authority; False where the directory is missing."""
    try:
        lock = os.open(earlier / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield earlier.is_dir()
    finally:
        os.close(lock)


def _clear(earlier: Path) -> None:
    """Remove the directory, unless somebody keeps other files in it."""
    # Another of the workers may be removing it.
    with suppress(FileNotFoundError):
        if {path.name for path in earlier.iterdir()} <= {_IGNORED, _LOCK}:
            shutil.rmtree(earlier, ignore_errors=True)
