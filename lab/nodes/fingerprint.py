# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell command that shows whether anything of a node's root file system has changed."""

from __future__ import annotations

WRITTEN_ANYWAY = ("/proc", "/sys", "/var/log", "/var/lib/systemd", "*/.ansible")
_PRUNED = " -o ".join(f"-path '{place}'" for place in WRITTEN_ANYWAY)

#: Prints lines of which some differ as soon as a file does. The time of change notices what a size and a time of
#: modification don't, such as content of the same length. Of /tmp there is only its content, and of /run nothing, where
#: files come and go.
COMMAND = (
    f"find / -xdev \\( {_PRUNED} \\) -prune -o ! -path /tmp ! -path /run -printf '%p %y %m %U:%G %s %T@ %C@ %l\\n'"
)
