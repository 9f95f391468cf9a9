# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What of the package caches may not be on the disk yet.

Packages in the caches are trusted. After a power cut during a build, those that it had just unpacked may be empty. So
a note in the caches' directory says what they held before a build writes to them. It goes when what they hold is on the
disk. When the machine has been started anew in between, the next build removes what the note does not name.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    make_directories,
    sync_directory,
    write_atomically,
)

NOTE = ".unsynced"
_PLACES = ("rattler/*", "conda/*", "bytecode/*/*")
#: uv's cache is of many parts that refer to each other, so it goes as a whole.
_WHOLE = "uv"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def begin(pkgs: str, *, rewriting: bool = False) -> tuple[str, ...]:
    """Note what the caches hold before a build writes to them; the caller holds their lock.

    Parameters
    ----------
    pkgs
        The directory of the package caches.
    rewriting
        Whether the build may write packages anew that are there already.

    Returns
    -------
    What was removed, since the machine went down during an earlier build.
    """
    make_directories(pkgs)
    path, boot = os.path.join(pkgs, NOTE), _boot()
    noted = _read(path)
    removed: tuple[str, ...] = ()
    if noted is not None:
        if noted.get("boot") == boot:  # an earlier build of this boot was interrupted, and its note still holds
            return ()
        removed = _remove_all_but(pkgs, frozenset(noted.get("held") or ()))
    held = [] if rewriting else entries(pkgs)
    write_atomically(path, json.dumps({"boot": boot, "held": held}) + "\n")
    return removed


def end(pkgs: str) -> None:
    """Note that all that the caches hold is on the disk."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(pkgs, NOTE))
        sync_directory(pkgs)


def entries(pkgs: str) -> list[str]:
    """Return what the caches hold, relative to their directory and sorted."""
    home = glob.escape(pkgs)
    found = (path for place in _PLACES for path in glob.glob(os.path.join(home, place)))
    return sorted(os.path.relpath(path, pkgs) for path in found)


def places(pkgs: str) -> list[str]:
    """Return the directory of the caches and theirs, each of which may be a file system of its own."""
    with contextlib.suppress(FileNotFoundError), os.scandir(pkgs) as found:
        return [pkgs, *sorted(entry.path for entry in found if entry.is_dir())]
    return []


def _remove_all_but(pkgs: str, held: frozenset[str]) -> tuple[str, ...]:
    going = [name for name in entries(pkgs) if name not in held]
    if os.path.isdir(os.path.join(pkgs, _WHOLE)):
        going.append(_WHOLE)
    for name in going:
        path = os.path.join(pkgs, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    return tuple(going)


def _read(path: str) -> dict[str, Any] | None:
    """Return what is noted; None without a note, and nothing of it when it can't be understood."""
    try:
        with open(path, encoding="utf-8") as stream:
            noted = json.load(stream)
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return noted if isinstance(noted, dict) and isinstance(noted.get("held"), list) else {}


def _boot() -> str:
    """Return what differs after each start of the machine."""
    with contextlib.suppress(OSError), open(_BOOT_ID) as stream:
        return stream.read().strip()
    return ""
