# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of environments: their packages by URL, and all other files as they are, but nothing of ``conda-meta``."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from .records import installed

# conda's own list; what stands there is never taken for a file that somebody put into the environment.
NOT_COPIED = {
    *("pkgs", "envs", "conda-bld", "conda-meta", ".conda_lock", "users", "LICENSE.txt", "info", "conda-recipes"),
    *(".index", ".unionfs", ".nonadmin"),
}
PROGRAMS = {"bin/conda", "bin/activate", "bin/deactivate"}


def untracked(prefix: Path) -> list[str]:
    """Return the files and links, relative to ``prefix``, that no package of conda lists."""
    known = {name for record in installed(prefix) for name in record.get("files", ())} | PROGRAMS
    found = []
    for folder, folders, names in os.walk(prefix):
        place = Path(folder).relative_to(prefix)
        if place == Path():
            folders[:] = [name for name in folders if name not in NOT_COPIED]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [(place / name).as_posix() for name in (*names, *links)]
    return sorted(name for name in found if name not in known | NOT_COPIED and not name.endswith("~"))


def copy(names: list[str], source: Path, target: Path) -> None:
    """Copy files with the path of the environment in their text changed; links stay as they are."""
    for name in names:
        old, new = source / name, target / name
        new.parent.mkdir(parents=True, exist_ok=True)
        if old.is_symlink():
            new.symlink_to(old.readlink())
            continue
        content = old.read_bytes()
        with contextlib.suppress(UnicodeDecodeError):
            content = content.decode().replace(str(source), str(target)).encode()
        new.write_bytes(content)
        shutil.copystat(old, new)
