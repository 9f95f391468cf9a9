# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_mirror: the first healthy one of several mirrors."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.mirror_health import (
    Network,
    ask_all,
    first_healthy,
    health,
)

ARGUMENT_SPEC: dict[str, Any] = {
    "mirrors": {"type": "list", "elements": "raw", "required": True},
    "channels": {"type": "list", "elements": "str", "default": ["defaults"]},
    "platforms": {"type": "list", "elements": "str", "default": ["linux-64"]},
    "elsewhere": {"type": "dict", "default": {}},
    "max_age_days": {"type": "int", "default": 30},
    "timeout": {"type": "int", "default": 10},
    "ca_path": {"type": "path"},
}
#: What each of the mirrors means.
FROM_ACTION: dict[str, Any] = {"candidates": {"type": "list", "elements": "dict", "default": []}}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the mirror that is chosen, and why."""
    candidates = params["candidates"]
    urls = [url for candidate in candidates for url in candidate.get("repodata", ())]
    answers = ask_all(urls, Network(params["timeout"], params["ca_path"]))
    now = datetime.now(timezone.utc)
    found = [health(candidate, answers, now, params["max_age_days"]) for candidate in candidates]
    index = first_healthy(found)
    return {"chosen": candidates[index], "index": index, "report": [one.as_result() for one in found]}
