# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The environments of others as the input of export.yml: each once, whatever number of nodes has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import RESERVED_NAMES
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._adopt.verdict import can_be_exported, of_place

_HEADER = """\
---
# What others have made, for export.yml -e @FILE. Take out what nobody needs, and choose the names.
"""
#: What Ansible takes as text, in a file of variables too.
_PLAIN = re.compile(r"/[\w./@+=:,~-]*")


@dataclass(frozen=True)
class Export:
    """An environment, and where it is."""

    name: str
    prefix: str
    nodes: Sequence[str]
    #: What is known of it, as the report shows it.
    shown: str


def of_nodes(nodes: Mapping[str, Mapping[str, Any]]) -> list[Export]:
    """Return the environments of nodes. Those of one name with the same packages are one.

    Parameters
    ----------
    nodes
        By node, what the module adopt_info returns, or ``failed``.
    """
    alike: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for node, found in nodes.items():
        for place in found.get("conda", ()):
            if can_be_exported(place) and _PLAIN.fullmatch(place["path"]):
                alike.setdefault((_name(place["path"]), place["fingerprint"]), []).append((node, place))
    exports, taken = [], set(RESERVED_NAMES)
    for (name, _unused), there in sorted(alike.items(), key=lambda entry: (entry[0][0], -len(entry[1]), entry[0][1])):
        place = there[0][1]
        free = next(one for one in _names(name, place["owner"]) if one not in taken)
        taken.add(free)
        exports.append(
            Export(free, place["path"], list(dict.fromkeys(node for node, _place in there)), of_place(place))
        )
    return exports


def differing(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each path at which nodes have environments with different packages."""
    found: dict[str, dict[str, list[str]]] = {}
    for node, one in nodes.items():
        for place in one.get("conda", ()):
            if can_be_exported(place):
                found.setdefault(place["path"], {}).setdefault(place["fingerprint"], []).append(node)
    return [
        f"{path}: {len(kinds)} with different packages: "
        + "; ".join(f"{fingerprint} on {_some(there)}" for fingerprint, there in kinds.items())
        for path, kinds in sorted(found.items())
        if len(kinds) > 1
    ]


def render(exports: Iterable[Export]) -> str:
    """Return a file of variables for export.yml."""
    lines = [_HEADER, "export_list:"]
    for one in exports:
        lines.append(f"  # {in_one_line(f'{_some(one.nodes)}: {one.shown}')}")
        entry = {"name": one.name, "node": one.nodes[0], "prefix": one.prefix}
        lines.append(f"  - {yaml.safe_dump(entry, default_flow_style=True, sort_keys=False, width=10_000).strip()}")
    if len(lines) == 2:
        lines[1] += " []"
    return "\n".join(lines) + "\n"


def _name(path: str) -> str:
    """Return the name of a path's environment, which has no other characters than a name may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.rpartition("/")[2]).lstrip(".-") or "environment"


def _names(name: str, owner: str) -> Iterable[str]:
    """Return the names that one may have, the best first."""
    yield name
    if re.fullmatch(r"[A-Za-z0-9._-]+", owner):
        yield f"{name}-{owner}"
    number = 1
    while True:
        number += 1
        yield f"{name}-{number}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
