# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Read a drift report from a file, and know it from other files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import ORDER

KIND = "evenkeel drift report"
#: The version of the report's form.
FORMAT = 1
_AGAIN = "Run playbooks/drift.yml again"


def read(path: Path) -> dict[str, Any]:
    """Return the report in a file.

    Raises
    ------
    EvenkeelError
        It can't be read, is no drift report, is damaged, or has another format than this version of Evenkeel reads.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise from_os(error, str(path)) from error
    except ValueError as error:
        raise EvenkeelError(f"{path} is no JSON: {error}", _AGAIN) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise EvenkeelError(f"{path} is no drift report", "Name the report.json that playbooks/drift.yml has written")
    if found.get("format") != FORMAT:
        what = f"{path} has the format {found.get('format')!r}, and this version of Evenkeel reads {FORMAT}"
        raise EvenkeelError(what, f"{_AGAIN}, or read it with the version that wrote it")
    if not _is_whole(found):
        raise EvenkeelError(f"{path} is damaged", _AGAIN)
    return found


def _is_whole(report: Mapping[str, Any]) -> bool:
    hosts = report.get("hosts")
    return (
        report.get("status") in ORDER
        and _is_time(report.get("created"))
        and isinstance(hosts, dict)
        and bool(hosts)
        and all(isinstance(host, dict) and host.get("state") in ORDER and "digest" in host for host in hosts.values())
    )


def _is_time(text: Any) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False
