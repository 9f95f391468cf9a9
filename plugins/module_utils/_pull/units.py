# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The units that run the program now and then."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.unit_text import word

SERVICE, TIMER = "evenkeel-pull.service", "evenkeel-pull.timer"
FOLDER = "/etc/systemd/system"
#: What people call by hand.
COMMAND = "/usr/local/sbin/evenkeel-pull"


def service(python: str, launcher: str) -> str:
    """Return the service's unit."""
    return """%s
[Unit]
Description=Evenkeel: apply what the git repository declares
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=oneshot
ExecStart=%s -I %s
TimeoutStartSec=infinity
KillMode=control-group
UMask=0077
Nice=10
IOSchedulingClass=idle
""" % (MARK, word(python), word(launcher))


def timer(interval: int, splay: int) -> str:
    """Return the timer's unit; both times are in minutes."""
    return """%s
[Unit]
Description=Evenkeel: apply what the git repository declares, every %d minutes

[Timer]
OnActiveSec=1min
OnUnitInactiveSec=%dmin
RandomizedDelaySec=%dmin
FixedRandomDelay=true

[Install]
WantedBy=timers.target
""" % (MARK, interval, interval, splay)


def command(python: str, launcher: str) -> str:
    """Return the command: runs the program with the unit's Python and with what it is given."""
    return """#!%s -I
%s
import os
import sys

os.execv(%r, [%r, "-I", %r, *sys.argv[1:]])
""" % (python, MARK, python, python, launcher)
