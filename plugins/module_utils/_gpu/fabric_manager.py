# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The fabric manager, without which GPUs behind NVSwitch compute nothing."""

from __future__ import annotations

import re

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

PROGRAM = "/usr/bin/nv-fabricmanager"
_SECONDS = 10
#: The kernel cuts the names of processes here.
_COMMAND = "nv-fabricmanager"[:15]


def version(system: Sysroot) -> str:
    """Return the version that is installed; empty without one, or where it can't be run."""
    if not system.is_own or not system.exists(PROGRAM):
        return ""
    try:
        return parse_version(command.run([PROGRAM, "--version"], timeout=_SECONDS).said)
    except EvenkeelError:
        return ""


def parse_version(output: str) -> str:
    """Return the version in the output of ``--version``."""
    found = re.search(r"\d+\.\d+(?:\.\d+)?", output)
    return found.group() if found else ""


def is_active(system: Sysroot) -> bool | None:
    """Return whether it runs; None where it is not installed."""
    if not system.exists(PROGRAM):
        return None
    return any(system.text("/proc/%s/comm" % pid) == _COMMAND for pid in system.names("/proc", r"\d+$"))
