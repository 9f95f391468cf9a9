# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The priority of work that nobody waits for."""

from __future__ import annotations

import os
import shutil

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command

LOWEST = 19


def lower() -> None:
    """Give the processor and the disk to all others first, for this process and what it starts from now on."""
    os.setpriority(os.PRIO_PROCESS, 0, LOWEST)
    if shutil.which("ionice"):
        command.run(["ionice", "--class", "idle", "--pid", str(os.getpid())])
