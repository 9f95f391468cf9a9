# SPDX-License-Identifier: GPL-3.0-or-later
"""Small things about files that several parts of the lab need."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


def replace_text(file: Path, text: str) -> None:
    """Write ``file`` in one step: a reader sees the old text or the new one, an unchanged text leaves it alone."""
    if file.exists() and file.read_text() == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.write_text(text)
    fresh.replace(file)


def size(tree: Path) -> int:
    """Return the bytes of the disk that the files below ``tree`` take, hard links once; files may go meanwhile."""
    seen: dict[int, int] = {}
    for folder, _, names in os.walk(tree):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(Path(folder, name))
                seen[stat.st_ino] = stat.st_blocks * 512
    return sum(seen.values())
