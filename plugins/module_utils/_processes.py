# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which directories running processes use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence


def using(directories: Sequence[str], proc: str = "/proc") -> frozenset[str]:
    """Return those of ``directories`` that a running process has its program, its folder or a mapped file in."""
    found: set[str] = set()
    for pid in filter(str.isdigit, os.listdir(proc)):
        left = [directory for directory in directories if directory not in found]
        if not left:
            break
        places = ""
        for name in ("exe", "cwd"):
            with contextlib.suppress(OSError):
                places += os.readlink(os.path.join(proc, pid, name)) + "/\n"
        with contextlib.suppress(OSError), open(os.path.join(proc, pid, "maps"), errors="replace") as stream:
            places += stream.read()
        found.update(directory for directory in left if directory + "/" in places)
    return frozenset(found)
