# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The verdicts on all nodes as a table and texts of at most 120 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import size_of

COLUMNS = 120
#: How wide a column may be; the node's takes what the others leave.
_HEADS = {
    "NODE": COLUMNS,
    "STATE": 11,
    "RELEASE": 13,
    "PYTHON": 6,
    "CLOCK": 6,
    "FREE": 11,
    "GPUS": 17,
    "DRIVER": 15,
    "TO DO": 7,
    "REBOOT": 6,
}
_GAP = "  "
#: So many nodes are named with a text; of more, the first.
_NAMED = 8
_GPU_PREFIX = re.compile(r"^(NVIDIA )?(GeForce |Tesla |Quadro )?")

Verdicts = Mapping[str, Mapping[str, Any]]


def lines(nodes: Verdicts) -> list[str]:
    """Return the report: the table, problems, notes and what would change, each text once with its nodes."""
    shown = in_order(nodes)
    found = table(shown)
    for title, key in (("Problems", "problems"), ("Reboots", "reboot"), ("From before", "past"), ("Notes", "notes")):
        found += section(title, ((text, name) for name, node in shown.items() for text in node[key]))
    found += section("To do", ((", ".join(node["to_do"]), name) for name, node in shown.items() if node["to_do"]))
    ready = sum(1 for node in shown.values() if node["ok"])
    return [*found, "", f"{ready} of {len(shown)} nodes can be brought to the declared state now."]


def age(data: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how old the collection's data is, by its oldest file."""
    oldest = data[:1]
    return [f"The oldest of Evenkeel's data on drivers and GPUs, {one['name']}, is of {one['read']}." for one in oldest]


def in_order(nodes: Verdicts) -> dict[str, Mapping[str, Any]]:
    """Return the nodes by name, numbers in it by their value."""
    return {name: nodes[name] for name in sorted(nodes, key=_by_number)}


def _by_number(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def table(nodes: Verdicts) -> list[str]:
    """Return the table's lines, each without spaces at its end."""
    rows = [list(_HEADS), *(_cells(name, node) for name, node in nodes.items())]
    widths = [min(most, max(len(row[number]) for row in rows)) for number, most in enumerate(_HEADS.values())]
    widths[0] = min(widths[0], COLUMNS - sum(widths[1:]) - len(_GAP) * (len(widths) - 1))
    return [
        _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _cells(name: str, node: Mapping[str, Any]) -> list[str]:
    skew = node["clock"]["skew_seconds"]
    surveyed = bool(node["roles"])
    return [
        in_one_line(name),
        node["state"],
        in_one_line(node["release"]) or "-",
        ".".join(node["python"].get("version", "").split(".")[:2]) or "-",
        "-" if skew is None else "ok" if abs(skew) <= 1 else _offset(skew),
        _least_room(node["disks"]),
        gpus(node["gpus"]) if surveyed else "-",
        _driver(node["driver"]),
        f"{len(node['to_do'])} of {len(node['roles'])}" if surveyed else "-",
        ("yes" if node["reboot"] else "no") if surveyed else "-",
    ]


def _offset(seconds: int) -> str:
    """Return by how much a clock is off, in the largest unit that has a whole one."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if abs(seconds) >= size:
            return f"{int(seconds / size):+d}{unit}"
    return f"{seconds:+d}s"


def gpus(found: Sequence[Mapping[str, Any]]) -> str:
    """Return models with their numbers, such as ``8x H100 80GB HBM3``."""
    return ", ".join(f"{gpu['count']}x {_GPU_PREFIX.sub('', gpu['name'])}" for gpu in found) or "none"


def _driver(driver: Mapping[str, str]) -> str:
    return f"{driver.get('version') or driver.get('branch', '')} {driver.get('flavour', '')}".strip() or "-"


def _least_room(disks: Iterable[Mapping[str, Any]]) -> str:
    writable = [disk for disk in disks if not disk["read_only"]]
    if not writable:
        return "-"
    least = min(writable, key=lambda disk: disk["free_mib"])
    return f"{size_of(least['free_mib'])} {least['mount']}"


def section(title: str, texts: Iterable[tuple[str, str]]) -> list[str]:
    """Return texts under a title, each once with the nodes that it is about."""
    nodes: dict[str, list[str]] = {}
    for text, name in texts:
        nodes.setdefault(text, []).append(name)
    shown = [line for text, names in nodes.items() for line in _entry(text, names)]
    return ["", f"{title}:", *shown] if shown else []


def _entry(text: str, names: Sequence[str]) -> list[str]:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return textwrap.wrap(
        f"{', '.join(map(in_one_line, names[:_NAMED]))}{more}: {in_one_line(text)}",
        COLUMNS,
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "~"
