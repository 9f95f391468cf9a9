# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files of the control node, brought to where a module on a node finds them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ansible.plugins.action import ActionBase


def bring(action: ActionBase, files: Iterable[Path]) -> str:
    """Copy files into the connection's temporary directory, which goes with the task; return its path."""
    shell = action._connection._shell
    if shell.tmpdir is None:
        action._make_tmp_path()
    brought = []
    for file in files:
        brought.append(shell.join_path(shell.tmpdir, file.name))
        action._transfer_file(str(file), brought[-1])
    action._fixup_perms2([shell.tmpdir, *brought], execute=False)
    return str(shell.tmpdir)
