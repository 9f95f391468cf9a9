# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_environment_leftovers: environments that a node has and nobody declares any more."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised

ARGUMENT_SPEC: dict[str, Any] = {
    "declared": {"type": "list", "elements": "str", "required": True},
    "root": {"type": "path", "default": "/opt/evenkeel"},
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    require_normalised("root", params["root"])
    found = leftovers(params["root"], params["declared"])
    what = "The node has the %s %s, which %s not declared. Runs leave %s as %s. To remove %s, add "
    words = ("environment", "is", "it", "it is") if len(found) == 1 else ("environments", "are", "them", "they are")
    line = what % (words[0], ", ".join(found), words[1], words[2], words[3], words[2])
    line += " and ".join("{name: %s, state: absent}" % name for name in found)
    line += " to conda_environments_list of the role."
    return {"changed": False, "leftovers": found, "warnings": [line] if found else []}


def leftovers(root: str, declared: Collection[str]) -> list[str]:
    """Return the names of environments that Evenkeel has built below ``root`` and that are not declared, sorted."""
    built = os.path.join(root, "generations")
    try:
        names = sorted(os.listdir(built))
    except FileNotFoundError:
        return []
    return [name for name in names if name not in declared and os.path.islink(os.path.join(root, "envs", name))]
