# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A review in its forms, in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import page
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.report import KIND

_REPORT, _PAGE = "report.json", "index.html"


@dataclass(frozen=True)
class Target:
    """Where a review is written."""

    folder: Path
    mode: str

    def require(self) -> None:
        """Refuse a mode that is none, and a folder that can't be written to or has files that are no review's.

        Raises
        ------
        EvenkeelError
            Names the variable.
        """
        report_files.mode_of("review_mode", self.mode)
        report_files.require_writable(self.folder, "review_directory")
        theirs = [path for name in (_REPORT, _PAGE) if (path := self.folder / name).exists()]
        if theirs and not _is_review(self.folder / _REPORT):
            raise EvenkeelError(
                f"{theirs[0]} is no review, so {self.folder} is no folder of reviews",
                f"Name another by review_directory, or move {theirs[0].name} away",
            )


def publish(report: Mapping[str, Any], target: Target) -> Path:
    """Replace the files of the last review, and return its page.

    Raises
    ------
    EvenkeelError
        The folder can't be written to.
    """
    report_files.make_folder(target.folder)
    mode = report_files.mode_of("review_mode", target.mode)
    written = {_REPORT: (json.dumps(report, indent=1) + "\n", mode), _PAGE: (page.render(report), mode)}
    report_files.replace_all(target.folder, written)
    return target.folder / _PAGE


def _is_review(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        found = json_of(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("kind") == KIND
