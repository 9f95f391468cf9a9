# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How old the collection's data is: what it knows of drivers, GPUs and CUDA ends with the day it was read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

DATA = Path(__file__).parents[1] / "data"
#: In every data file whose facts age: the day, or the month, in which its sources were read.
READ = "read"


def ages(today: date, folder: Path = DATA) -> list[dict[str, Any]]:
    """Return the age of each data file that says when it was read, the oldest first.

    Returns
    -------
    list
        Each with ``name``, the file's name without its ending; ``read``, such as ``2026-09-30`` or ``2026-09``; and
        ``days`` since then, those of a month counted from its first day.
    """
    read = {path.stem: read_mapping(path).get(READ) for path in sorted(folder.glob("*.yml"))}
    found = [{"name": name, "read": day, "days": (today - first_day(day)).days} for name, day in read.items() if day]
    return sorted(found, key=lambda one: (-one["days"], one["name"]))


def first_day(read: str) -> date:
    """Return the first day that a data file's date may mean."""
    return date.fromisoformat(read if read.count("-") == 2 else f"{read}-01")
