# SPDX-License-Identifier: GPL-3.0-or-later
"""The trees of ``trees.yml`` as directories, each a node that ``gpu_facts`` can be pointed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import facts as gpu_facts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import gpus

from tests.unit.plugins import kernel_object

TREES: dict[str, Any] = read_mapping(Path(__file__).with_name("trees.yml"))
NAMES = [name for name in TREES if not name.startswith("_")]


def files(name: str) -> dict[str, Any]:
    """Return what a tree holds, path to content."""
    tree = TREES[name]
    found: dict[str, Any] = {}
    for other in tree.get("like", []):
        found |= files(other)
    return found | tree.get("files", {})


def expand(name: str, root: Path) -> Path:
    """Write a tree below ``root``, and return that."""
    for path, content in files(name).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.write_text(content)
        elif "link" in content:
            place.symlink_to(content["link"])
        elif "module" in content:
            place.write_bytes(kernel_object.write(**content["module"]))
        else:
            place.write_bytes(bytes.fromhex(content["hex"]))
    return root


def facts(name: str, root: Path) -> dict[str, Any]:
    """Return what the module and its action make of a tree."""
    return gpus.merged(gpu_facts.read(str(expand(name, root))))
