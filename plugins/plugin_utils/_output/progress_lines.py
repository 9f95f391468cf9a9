# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The nodes at work as lines: one for each, and one for those that there is no room for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ansible.utils.display import get_text_width
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.progress_line import clock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.running import Row

_LONGEST_NAME = 32
#: Of so many works there is a number each in the last line.
_WORKS = 3


def lines(rows: Sequence[Row], width: int, height: int) -> list[str]:
    """Return at most ``height`` lines of at most ``width`` columns each."""
    if height < 1 or width < 1:
        return []
    shown = rows if len(rows) <= height else rows[: height - 1]
    names = [cut(in_one_line(row.host), _LONGEST_NAME) for row in shown]
    times = [clock(row.seconds) for row in shown]
    of_name, of_time = (max(map(get_text_width, texts), default=0) for texts in (names, times))
    found = [
        _line(f"{_padded(name, of_name)}  {time.rjust(of_time)}  {in_one_line(row.work)}", row.details, width)
        for name, time, row in zip(names, times, shown, strict=True)
    ]
    return [*found, cut(_of_more(rows[len(shown) :], bool(shown)), width)] if len(rows) > len(shown) else found


def cut(text: str, width: int) -> str:
    """Return a text that takes at most so many columns."""
    if get_text_width(text) <= width:
        return text
    while text and get_text_width(text) > width - 1:
        text = text[:-1]
    return text + "~"


def _line(beginning: str, details: Sequence[str], width: int) -> str:
    """Return a line with as many of the details as there is room for."""
    for number in range(len(details), 0, -1):
        line = f"{beginning}: {', '.join(details[:number])}"
        if get_text_width(line) <= width:
            return line
    return cut(f"{beginning}: {details[0]}" if details else beginning, width)


def _of_more(rows: Sequence[Row], beside_others: bool) -> str:
    counted = Counter(in_one_line(row.work) for row in rows)
    works = [f"{number} {work}" for work, number in counted.most_common(_WORKS)]
    others = len(rows) - sum(number for _unused, number in counted.most_common(_WORKS))
    since = f"{clock(min(row.seconds for row in rows))} to {clock(max(row.seconds for row in rows))}"
    return f"{len(rows)} {'more ' if beside_others else ''}nodes, {since}: " + ", ".join(
        works + ([f"{others} others"] if others else [])
    )


def _padded(text: str, width: int) -> str:
    spaces: int = width - get_text_width(text)
    return text + " " * spaces
