# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the rooms of plugins/ and the imports between them: ``python -m maintenance.draw_rooms``.

The picture is docs/images/rooms.svg, its source tests/unit/rooms.yml. Each room stands above those that it may import.
Of two arrows that lead to the same room, one directly and one through others, the direct one is left out, and so are
those of the top row, which may import all rooms of its side and the node's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "tests" / "unit" / "rooms.yml"
PICTURE = ROOT / "docs" / "images" / "rooms.svg"

WIDTH, HEIGHT = 232, 74
GAP_X, GAP_Y = 16, 40
MARGIN, HEAD = 20, 34
#: Characters of a room's description that one line takes.
LINE = 33
NODE, CONTROL = "On the node", "On the control node"
STYLE = "text{font:12px sans-serif;fill:#1f2937}.name{font:bold 13px monospace}.side{font:bold 15px sans-serif}"
HEAD_PATH = '<path d="M0 0 L8 4 L0 8 z" fill="#9ca3af"/>'
MARKER = (
    '<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    f"{HEAD_PATH}</marker>"
)


@dataclass(frozen=True)
class Box:
    """A room and where it is drawn: the left upper corner, in pixels."""

    room: str
    holds: str
    x: int
    y: int


def arrows(rooms: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the rooms that each room imports directly, without what it reaches through another of them."""
    direct = {room: {one for one in about["imports"] if not one.endswith("*")} for room, about in rooms.items()}
    return {
        room: others - {far for other in others for far in reached(other, direct)} for room, others in direct.items()
    }


def reached(room: str, direct: Mapping[str, set[str]]) -> set[str]:
    """Return all rooms that a room imports, directly or not."""
    return direct[room].union(*(reached(other, direct) for other in direct[room]))


def height(room: str, edges: Mapping[str, set[str]]) -> int:
    """Return how many rooms stand below a room on the longest way down."""
    return max((height(other, edges) + 1 for other in edges[room]), default=0)


def boxes(rooms: Mapping[str, Any]) -> list[Box]:
    """Place the rooms in two columns: the node's and the control node's, each room above what it imports."""
    edges = arrows(rooms)
    top = max(height(room, edges) for room in rooms) + 1
    levels = {room: height(room, edges) if "/" in room else top for room in rooms}
    left, found = MARGIN, []
    for side in (CONTROL, NODE):
        mine = [room for room in rooms if side_of(room) == side]
        rows = {level: [room for room in mine if levels[room] == level] for level in range(top + 1)}
        widest = max(map(len, rows.values()))
        for level, row in rows.items():
            indent = (widest - len(row)) * (WIDTH + GAP_X) // 2
            for place, room in enumerate(row):
                x = left + indent + place * (WIDTH + GAP_X)
                found.append(Box(room, rooms[room]["holds"], x, MARGIN + HEAD + (top - level) * (HEIGHT + GAP_Y)))
        left += widest * (WIDTH + GAP_X) + 2 * GAP_X
    return found


def side_of(room: str) -> str:
    """Return where a room's files run first."""
    return NODE if room.startswith("module") else CONTROL


def draw(rooms: Mapping[str, Any]) -> str:
    """Return the picture as SVG."""
    shown = {room: about for room, about in rooms.items() if room != "doc_fragments"}
    half = WIDTH // 2
    placed = {box.room: box for box in boxes(shown)}
    lines = [
        f'<path d="M{a.x + half} {a.y + HEIGHT} L{b.x + half} {b.y}" stroke="#9ca3af" marker-end="url(#arrow)"/>'
        for room, others in arrows(shown).items()
        for a, b in ((placed[room], placed[other]) for other in sorted(others))
    ]
    width = max(box.x for box in placed.values()) + WIDTH + MARGIN
    tall = max(box.y for box in placed.values()) + HEIGHT + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tall}" role="img">',
            "<title>The rooms of plugins/ and the imports between them</title>",
            f"<style>{STYLE}</style>",
            f"<defs>{MARKER}</defs>",
            f'<rect width="{width}" height="{tall}" fill="#ffffff"/>',
            *(f'<text class="side" x="{x}" y="{MARGIN + 8}">{side}</text>' for side, x in sides(placed.values())),
            *lines,
            *(line for box in placed.values() for line in drawn(box)),
            "</svg>",
            "",
        ]
    )


def sides(placed: Iterable[Box]) -> list[tuple[str, int]]:
    """Return each column's title and where it begins."""
    found = list(placed)
    return [(side, min(box.x for box in found if side_of(box.room) == side)) for side in (CONTROL, NODE)]


def drawn(box: Box) -> Sequence[str]:
    """Return a room: a box with its name and what it holds."""
    fill = "#e0f2fe" if side_of(box.room) == NODE else "#fef3c7"
    texts = [
        f'<text x="{box.x + 10}" y="{box.y + 40 + 16 * n}">{escape(line)}</text>'
        for n, line in enumerate(textwrap.wrap(box.holds, LINE))
    ]
    return [
        f'<rect x="{box.x}" y="{box.y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="#6b7280"/>',
        f'<text class="name" x="{box.x + 10}" y="{box.y + 21}">{escape(box.room)}</text>',
        *texts,
    ]


if __name__ == "__main__":
    PICTURE.write_text(draw(yaml.safe_load(SOURCE.read_text())))
