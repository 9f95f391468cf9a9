# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the drift report says of this node, where the playbook that was run has made one."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files

REPORT = "report.json"


def read(folder: str, started: str) -> dict[str, Any] | None:
    """Return the report in a folder without its differences, which only operators of the node may read.

    Parameters
    ----------
    started
        When the run began that may have made it. One that is older is none.
    """
    try:
        found = json.loads(kept_files.text(os.path.join(folder, REPORT)) or "")
        if found["created"][:19] < started[:19]:
            return None
        for host in found["hosts"].values():
            for layer in host["layers"].values():
                for change in layer["changes"]:
                    change["diff"] = ""
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    kept: dict[str, Any] = found
    return kept
