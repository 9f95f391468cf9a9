# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a node is, cheaply: the facts of an earlier run are compared with it."""

from __future__ import annotations

import os
import shlex
from typing import Any

#: In the order in which Ansible's own facts take them.
_MACHINE_IDS = ("/var/lib/dbus/machine-id", "/etc/machine-id")
_RELEASES = ("/etc/os-release", "/usr/lib/os-release")


def identity(root: str = "") -> dict[str, Any]:
    """Return ``machine_id``, ``architecture``, the distribution's ``name``, and ``versions``, what it may be called.

    A text is empty where the node does not say it.
    """
    release = _release(root)
    # Debian's own file has the point release, which os-release lacks.
    versions = [release.get("VERSION_ID", ""), _text(root + "/etc/debian_version")]
    return {
        "machine_id": next(filter(None, (_text(root + path) for path in _MACHINE_IDS)), ""),
        "architecture": os.uname().machine,
        "name": release.get("NAME", ""),
        "versions": [version for version in versions if version],
    }


def _release(root: str) -> dict[str, str]:
    text = next(filter(None, (_text(root + path) for path in _RELEASES)), "")
    found = {}
    for line in text.splitlines():
        key, _unused, value = line.partition("=")
        try:
            found[key.strip()] = " ".join(shlex.split(value))
        except ValueError:  # a quote is not closed
            found[key.strip()] = value
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return ""
