# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The directory of the files that users are handed, which version 0.1 has written to the inventory."""

from __future__ import annotations

import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import folders, site_directory

#: Its name, then and now.
NAME = "client"
#: Begins each ssh_config that client_config.yml has ever written.
_MARK = "# Written by Evenkeel (playbooks/client_config.yml)"


@dataclass(frozen=True)
class Plan:
    """What there is to do; ``moved`` is where the directory has been until now."""

    path: Path
    mode: int
    mode_before: int | None
    moved: Path | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.moved is not None or self.mode != self.mode_before


def plan(path: Path, mode: int, earlier: Path | None) -> Plan:
    """Return what there is to do for a directory that may have been elsewhere earlier.

    Raises
    ------
    EvenkeelError
        Both are there.
    """
    moved = earlier if earlier is not None and _is_ours(earlier) else None
    if moved and path.is_dir() and any(path.iterdir()):
        raise EvenkeelError(
            f"{moved} and {path} both have files for users",
            f"Delete one of the directories; the next run writes what is needed to {path}",
        )
    there = moved or path
    return Plan(path, mode, stat.S_IMODE(there.stat().st_mode) if there.is_dir() else None, moved)


def apply(planned: Plan) -> None:
    """Make the directory, or move it.

    Raises
    ------
    EvenkeelError
        It can't be made.
    """
    try:
        if planned.moved:
            site_directory.make(planned.path.parent)
            if planned.path.is_dir():
                planned.path.rmdir()
            shutil.move(planned.moved, planned.path)
        site_directory.make(planned.path)
        planned.path.chmod(planned.mode)
    except OSError as error:
        raise _not_made(planned, error) from error


def require_possible(planned: Plan) -> None:
    """Refuse what ``apply`` could not do, without doing it.

    Raises
    ------
    EvenkeelError
        The directory can't be made, or can't be moved from where it is.
    """
    made = [planned.path] if planned.mode_before is None else []
    moved = [planned.path.parent, planned.moved.parent] if planned.moved else []
    for folder in (*made, *moved):
        if why := folders.unwritable(folder):
            raise _not_made(planned, why)


def _not_made(planned: Plan, why: object) -> EvenkeelError:
    return EvenkeelError(
        f"{planned.path} can't be made on the control node: {why}", "Name another by client_config_directory"
    )


def _is_ours(directory: Path) -> bool:
    try:
        return (directory / "ssh_config").read_text(errors="replace").startswith(_MARK)
    except OSError:
        return False
