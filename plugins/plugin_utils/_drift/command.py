# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The command ``evenkeel drift``: a report as a table and as an exit status. It needs Python's library alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.command_line import Parser
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import summary
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.format import read
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import DRIFTED, EQUAL, UNKNOWN, UNREACHABLE

STATUSES = {EQUAL: 0, DRIFTED: 2, UNKNOWN: 3, UNREACHABLE: 4}
#: The report can't be read, or is too old.
UNREADABLE = 5
_CENTURY = 100 * 365 * 24
#: By how much the clocks of two control nodes may differ.
_CLOCKS_DIFFER = timedelta(minutes=10)


def main(arguments: Sequence[str] | None = None) -> int:
    """Show a report, and return the exit status of its state."""
    parser = Parser(prog="evenkeel", description="Evenkeel's command for what playbooks have written.")
    drift = parser.add_subparsers(dest="command", required=True).add_parser(
        "drift",
        help="show a drift report; the exit status is its state's",
        epilog="Exit status: 0 equal, 2 drifted, 3 unknown, 4 unreachable, 5 the report can't be read or is too old.",
    )
    drift.add_argument("report", type=Path, help="the report.json that drift.yml has written")
    drift.add_argument("--max-age", type=_hours, metavar="HOURS", help="refuse an older report")
    asked = parser.parse_args(arguments)
    try:
        report = read(asked.report)
        _require_new(asked.report, report["created"], asked.max_age)
        shown = summary.lines(report)
    except EvenkeelError as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    print("\n".join(shown))
    return STATUSES[report["status"]]


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours < _CENTURY:
        raise argparse.ArgumentTypeError("%s: give a number of hours above 0" % text)
    return hours


def _require_new(path: Path, created: str, hours: float | None) -> None:
    if hours is None:
        return
    age = datetime.now(timezone.utc) - datetime.fromisoformat(created)  # noqa: UP017 - also for Python 3.9
    if age < -_CLOCKS_DIFFER:
        raise EvenkeelError("%s is of %s, which is yet to come" % (path, created), "Set the clock, and run drift.yml")
    if age > timedelta(hours=hours):
        raise EvenkeelError(
            "%s is of %s, %.1f hours ago" % (path, created, age.total_seconds() / 3600),
            "Run drift.yml; if it runs by a timer, look at why it ended without a report",
        )


if __name__ == "__main__":
    sys.exit(main())
