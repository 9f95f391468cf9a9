# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A drift report as a short table for a terminal, of at most 120 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import EQUAL, ORDER

COLUMNS = 120
_GAP = "  "
#: So many hosts that are not equal have a row each.
_ROWS = 50

Report = Mapping[str, Any]


def lines(report: Report) -> list[str]:
    """Return a row for each host that is not equal, and the last line, which says in which states hosts are."""
    titles = {layer["id"]: layer["title"] for layer in report["layers"]}
    odd = {name: host for name, host in report["hosts"].items() if host["state"] != EQUAL}
    rows = [
        (in_one_line(name), host["state"], (host["since"] or "")[:16].replace("T", " "), _what(host, titles))
        for name, host in list(odd.items())[:_ROWS]
    ]
    shown = list(_table([("HOST", "STATE", "SINCE", "WHAT"), *rows])) if rows else []
    if len(odd) > _ROWS:
        shown.append(f"... and {len(odd) - _ROWS} more")
    return [*shown, *([""] if shown else []), last(report)]


def last(report: Report) -> str:
    """Return the report's status, and how many hosts are in each state."""
    parts = [f"{report['counts'][state]} {state}" for state in ORDER if report["counts"][state]]
    return f"{report['status']}: {', '.join(parts)}"


def _what(host: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Return in which layers a host is not as declared, and the first reason where something is unknown."""
    if host["message"]:
        return in_one_line(host["message"])
    odd = {id_: layer for id_, layer in host["layers"].items() if layer["state"] != EQUAL}
    names = [
        f"{in_one_line(titles.get(id_, id_))}{'' if layer['state'] == 'drifted' else ' (unknown)'}"
        for id_, layer in odd.items()
    ]
    said = [text for layer in odd.values() for text in (*layer["problems"], *layer["unknown"])][:1]
    return in_one_line(": ".join([", ".join(names), *said]))


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = min(widths[0], 40)
    for row in rows:
        text = _GAP.join(_cut(row[column], width).ljust(width) for column, width in enumerate(widths))
        yield _cut(text.rstrip(), COLUMNS)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "~"
