# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module condarc_info: which of conda's configuration files wins."""

from __future__ import annotations

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import condarc

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "keys": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "str"},
    "prefix": {"type": "path"},
    "distribution": {"type": "path", "default": "/opt/miniconda3"},
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    users = [params["user"]] if params["user"] else []
    return {"found": condarc.read(params, users)}
