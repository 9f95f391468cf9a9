# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A drift report in all its forms, in a folder that keeps the earlier ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import files, history, junit, metrics, page
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import EQUAL

#: Options of the actions that write a report.
OPTIONS: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0600"},
    "keep": {"type": "int", "default": 400},
    "keep_days": {"type": "int", "default": 400},
}
#: Of the metrics, which node_exporter reads as a user of its own, and which hold no more than names and states.
_METRICS_MODE = 0o644
_EARLIER = "history"
#: A folder that has it is one of reports.
_OURS = "evenkeel.prom"


def check(*, mode: str, keep: int, keep_days: int) -> None:
    """Refuse options that mean nothing.

    Raises
    ------
    EvenkeelError
        Names the option.
    """
    for name, value in (("keep", keep), ("keep_days", keep_days)):
        if value < 0:
            raise EvenkeelError(f"{name} is {value}", "Give a number, or 0 for no limit")
    if not re.fullmatch(r"0?[0-7]{3}", mode):
        raise EvenkeelError(f"mode is {mode!r}", "Write it as octal digits in quotes, such as '0640'")


def publish(report: dict[str, Any], folder: Path, *, mode: str, keep: int, keep_days: int) -> list[str]:
    """Replace the files of the last report, and return warnings. Each host that is not equal gets its ``since``.

    Raises
    ------
    EvenkeelError
        The folder can't be written to, or has files of the same names that are no report's.
    """
    files.make_folder(folder)
    _require_ours(folder)
    earlier, skipped = history.earlier(folder / _EARLIER)
    for name, host in report["hosts"].items():
        host["since"] = None
        if host["state"] != EQUAL:
            host["since"] = history.since(name, report["created"], list(earlier.values()))
    now = datetime.fromisoformat(report["created"])
    own = int(mode, 8)
    written = {
        "report.json": (_json(report), own),
        f"{_EARLIER}/{history.name_of(now)}": (_json(history.without_layers(report)), own),
        "index.html": (page.render(report, list(earlier.values())), own),
        "junit.xml": (junit.render(report), own),
        _OURS: (metrics.render(report), _METRICS_MODE),
    }
    files.replace_all(folder, written)
    history.remove(history.outdated(earlier, count=keep, days=keep_days, now=now))
    return skipped


def _require_ours(folder: Path) -> None:
    """Replace nobody's files, such as the pages of a web server."""
    try:
        theirs = [name for name in ("index.html", "report.json", "junit.xml") if (folder / name).exists()]
        ours = (folder / _OURS).exists()
    except OSError as error:
        raise from_os(error, str(folder)) from error
    if theirs and not ours:
        raise EvenkeelError(
            f"{folder} has {theirs[0]}, and no {_OURS}, so it is no folder of drift reports",
            f"Name another by drift_directory, or move {theirs[0]} away",
        )


def _json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=1) + "\n"
