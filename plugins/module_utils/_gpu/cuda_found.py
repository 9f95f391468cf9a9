# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The CUDA toolkits of a node, from packages or not."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

_PLACE = "/usr/local"
_PREFIX = "cuda-"


@dataclass(frozen=True)
class Toolkit:
    """A toolkit; complete is one with its compiler."""

    version: str
    path: str
    complete: bool


def read(system: Sysroot) -> list[Toolkit]:
    """Return the toolkits, one for each directory that has one; short names such as ``cuda-12`` are links."""
    found = []
    for name in system.names(_PLACE, _PREFIX + r"\d+\.\d+$"):
        path = "%s/%s" % (_PLACE, name)
        own = version(system.text(path + "/version.json"))
        complete = system.exists(path + "/bin/nvcc")
        if own or complete:
            found.append(Toolkit(own or name[len(_PREFIX) :], path, complete))
    return sorted(found, key=lambda toolkit: [int(part) for part in toolkit.version.split(".") if part.isdigit()])


def default(system: Sysroot) -> str:
    """Return the path of the toolkit that ``/usr/local/cuda`` leads to; empty without one."""
    path = _PLACE + "/cuda"
    return system.resolve(path) if system.exists(path) else ""


def version(text: str) -> str:
    """Read a toolkit's own version out of its ``version.json``."""
    try:
        return str(json.loads(text)["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return ""
