# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Earlier drift reports in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import history
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import content_of, outline


def earlier(folder: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the reports of a folder, and why others are left out, as ``history.read_all`` does."""
    names = sorted(path.name for path in folder.iterdir() if history.is_ours(path.name)) if folder.is_dir() else ()
    return history.read_all(
        names, lambda name: outline(content_of(folder / name), str(folder / name)), "Move the file to another folder"
    )


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of reports."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise from_os(error, str(folder / name)) from error
