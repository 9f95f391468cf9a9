# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A review as one HTML page that needs nothing else, in the look of the drift report; it runs no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import page as drift
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import locks, summary, support

PLACE = Path(__file__).parent

#: So many places are shown; more are folded.
_FEW = 4
#: Of each state the class of the drift report's mark and the sign in it.
MARKS: Mapping[str, tuple[str, str]] = {
    support.ENDED: ("unreachable", "✕"),
    support.ENDING: ("drifted", "!"),
    support.LONGER: ("unknown", "+"),
    support.UNDATED: ("equal", "·"),
    support.SUPPORTED: ("equal", "="),
    locks.CURRENT: ("equal", "="),
    locks.OUTDATED: ("drifted", "≠"),
    "vulnerable": ("unreachable", "✕"),
    support.UNKNOWN: ("unknown", "?"),
}


def render(report: Mapping[str, Any]) -> str:
    """Return a review, as report.schema.json describes it, as a page."""
    style = (drift.PLACE / "page.css").read_text() + (PLACE / "page.css").read_text()
    page = (
        drift.templates(PLACE, drift.PLACE)
        .get_template("review.html.j2")
        .render(
            report=report, marks=MARKS, last=summary.last(report), few=_FEW, style=style, policy=drift.policy(style, "")
        )
    )
    return page.encode("utf-8", "replace").decode()
