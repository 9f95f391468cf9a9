# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell command that shows whether anything of a node's root file system has changed."""

from __future__ import annotations

#: Other file systems; what a login, systemd and Ansible itself write; and locks, which are dated when they are taken.
#: A reader of rpm's database takes one, and makes files beside it; one of apt's lists caches what it has read.
WRITTEN_ANYWAY = (
    *("/dev", "/proc", "/run", "/sys", "/var/log", "/var/lib/systemd", "*/.ansible"),
    *("*/lock", "*/.rpmdb", "/var/cache/apt/*.bin"),
)
_PRUNED = " -o ".join(f"-path '{place}'" for place in WRITTEN_ANYWAY)

#: Of these only the content counts: files come and go.
_PASSED = "! -path /tmp ! -path /var/cache/apt"

#: Prints lines of which some differ as soon as a file does. The time of change notices what a size and a time of
#: modification don't, such as content of the same length.
COMMAND = f"find / -xdev \\( {_PRUNED} \\) -prune -o {_PASSED} -printf '%p %y %m %U:%G %s %T@ %C@ %l\\n'"
