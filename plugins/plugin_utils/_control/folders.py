# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a rehearsal can know of a folder on the control node that a run will write to."""

from __future__ import annotations

import os
from pathlib import Path


def unwritable(folder: Path) -> str:
    """Return why nothing can be written to a folder that is there or is going to be; empty where it can."""
    there = next(str(path) for path in (folder, *folder.parents) if os.path.lexists(path))
    if not os.path.isdir(there):
        return f"{there} is no folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"{there} can't be written to"
