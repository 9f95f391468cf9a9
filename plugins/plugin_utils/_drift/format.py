# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Read a drift report from a file, and know it from other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import is_moment, json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import schema
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift.states import ORDER

KIND = "evenkeel drift report"
#: The version of the report's form.
FORMAT = 1
_AGAIN = "Run drift.yml again"
_WHICH = "Name the report.json that drift.yml has written, as a user who may read it"


def read(path: Path) -> dict[str, Any]:
    """Return the report in a file.

    Raises
    ------
    EvenkeelError
        It can't be read, is no drift report, is damaged, or has another format than this version of Evenkeel reads.
    """
    found = _parsed(content_of(path), str(path))
    place = schema.breach(found)
    if place is not None:
        raise _damaged(str(path), place)
    return found


def content_of(path: Path) -> bytes:
    """Return what is in a file. Raises an ``EvenkeelError`` if it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvenkeelError(f"{path}: {error.strerror}", _WHICH) from error


def outline(content: bytes, name: str) -> dict[str, Any]:
    """Return a report of which only the time, the status, and each host's state and digest are checked.

    It is for many reports: to check all of each takes longer than to read them. Raises as ``read`` does, with the name.
    """
    found = _parsed(content, name)
    hosts = found.get("hosts")
    if not (found.get("status") in ORDER and is_moment(found.get("created")) and isinstance(hosts, dict)):
        raise _damaged(name, "status, created or hosts")
    for host_name, host in hosts.items():
        whole = isinstance(host, dict) and host.get("state") in ORDER
        if not whole or not isinstance(host.get("digest", 0), (str, type(None))):
            raise _damaged(name, f"hosts.{host_name}")
    return found


def _parsed(content: bytes, name: str) -> dict[str, Any]:
    """Return what says that it is a report of this format."""
    try:
        found = json_of(content)
    except ValueError as error:
        raise EvenkeelError(f"{name} is no JSON: {error}", _AGAIN) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise EvenkeelError(f"{name} is no drift report", _WHICH)
    if found.get("format") != FORMAT:
        what = f"{name} has the format {found.get('format')!r}, and this version of Evenkeel reads {FORMAT}"
        raise EvenkeelError(what, f"{_AGAIN}, or read it with the version that wrote it")
    return found


def _damaged(name: str, place: str) -> EvenkeelError:
    return EvenkeelError(f"{name} is damaged{f' at {place}' if place else ''}", _AGAIN)
