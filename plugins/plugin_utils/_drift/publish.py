# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A drift report in all its forms, in a folder; the earlier ones are kept there, or on a branch of a repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import (
    history,
    history_folder,
    junit,
    metrics,
    page,
    summary,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.history_branch import Branch
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import EQUAL

#: Options of the actions that write a report.
OPTIONS: dict[str, dict[str, Any]] = {
    "directory": {"type": "path", "required": True},
    "mode": {"type": "str", "default": "0600"},
    "keep": {"type": "int", "default": 400},
    "keep_days": {"type": "int", "default": 400},
    "history_branch": {"type": "str"},
    "history_repository": {"type": "path"},
}
#: Of the metrics, which node_exporter reads as a user of its own, and which hold no more than names and states.
_METRICS_MODE = 0o644
_EARLIER = "history"
#: A folder that has it is one of reports.
_OURS = "evenkeel.prom"


@dataclass(frozen=True)
class Target:
    """Where a report is written, and what is kept of the earlier ones."""

    folder: Path
    mode: int
    keep: int
    keep_days: int
    branch: Branch | None


def target(options: Mapping[str, Any]) -> Target:
    """Return what ``OPTIONS`` ask for.

    Raises
    ------
    EvenkeelError
        Names the option that means nothing.
    """
    for name in ("keep", "keep_days"):
        if options[name] < 0:
            raise EvenkeelError(f"drift_{name} is {options[name]}", "Give a number, or 0 for no limit")
    mode = report_files.mode_of("drift_mode", options["mode"])
    branch = None
    if options["history_branch"]:
        if not options["history_repository"]:
            raise EvenkeelError("history_branch is set, and history_repository is not", "Name the branch's repository")
        branch = Branch(Path(options["history_repository"]).absolute(), options["history_branch"])
    folder = Path(options["directory"]).absolute()
    return Target(folder, mode, options["keep"], options["keep_days"], branch)


def require(to: Target) -> None:
    """Refuse a folder or a branch that a report must not be written to; for before nodes are asked, too.

    Raises
    ------
    EvenkeelError
        It has files that are no report's, or it or the branch can't be written to.
    """
    if to.branch:
        to.branch.require()
    report_files.require_writable(to.folder, "drift_directory")
    _require_ours(to.folder)


def publish(report: dict[str, Any], to: Target) -> list[str]:
    """Replace the files of the last report, and return warnings. Each host that is not equal gets its ``since``.

    One that it has already, of a node that pulls or of another control node, stays if it is older.

    Raises
    ------
    EvenkeelError
        The folder or the branch can't be written to, or has files that are no report's.
    """
    require(to)
    report_files.make_folder(to.folder)
    earlier, skipped = to.branch.earlier() if to.branch else history_folder.earlier(to.folder / _EARLIER)
    for name, host in report["hosts"].items():
        known, host["since"] = host["since"], None
        if host["state"] != EQUAL:
            first = history.since(name, report["created"], list(earlier.values()))
            host["since"] = min(filter(None, (known, first)), key=datetime.fromisoformat)
    now = datetime.fromisoformat(report["created"])
    kept_text = _json(history.without_layers(report))
    kept = history.name_of(now, kept_text)
    outdated = history.outdated(earlier, count=to.keep, days=to.keep_days, now=now)
    written = {
        "report.json": (_json(report), to.mode),
        "index.html": (page.render(report, list(earlier.values())), to.mode),
        "junit.xml": (junit.render(report), to.mode),
        _OURS: (metrics.render(report), _METRICS_MODE),
    }
    if to.branch:
        report_files.replace_all(to.folder, written)
        to.branch.add(kept, kept_text, without=outdated, message=summary.last(report))
    else:
        report_files.replace_all(to.folder, {f"{_EARLIER}/{kept}": (kept_text, to.mode), **written})
        history_folder.remove(to.folder / _EARLIER, outdated)
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
