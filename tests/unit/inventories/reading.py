# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories as Ansible reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class NotRead(Exception):
    """Ansible could not read an inventory; what it said."""


def read(*sources: Path, facts: Path | None = None) -> dict[str, Any]:
    """Return an inventory with all variables, as ``ansible-inventory --list`` prints it.

    Parameters
    ----------
    facts
        The folder of a fact cache.
    """
    named = [f"--inventory={source}" for source in sources]
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "inventory", "--list", *named],
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CACHE_PLUGIN": "jsonfile" if facts else "memory",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts or ""),
            "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
            "COLUMNS": "10000",
        },
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NotRead(" ".join(done.stderr.split()))
    found: dict[str, Any] = json.loads(done.stdout, object_hook=plain)
    return found


def plain(mapping: dict[str, Any]) -> Any:
    """Return what Ansible prints as text that is no template as that text."""
    return mapping["__ansible_unsafe"] if mapping.keys() == {"__ansible_unsafe"} else mapping
