# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The files by which a node looks after its package mirror: the program, its settings, the command, and the timer."""

from __future__ import annotations

import inspect
import json
import os

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.unit_text import word
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import keeper, nginx_config

SERVICE, TIMER = "evenkeel-package-mirror.service", "evenkeel-package-mirror.timer"
UNITS = "/etc/systemd/system"
#: What people call by hand.
COMMAND = "/usr/local/sbin/evenkeel-package-mirror"
PROGRAM = "/usr/local/lib/evenkeel/package_mirror.py"
SETTINGS = "/etc/evenkeel/package_mirror/keeper.json"
STATE = "/var/lib/evenkeel/package_mirror"
METRICS = "evenkeel_package_mirror.prom"


def files(cache: str, least: int, metrics: str, python: str) -> dict[str, tuple[str, int]]:
    """Return text and mode of each file.

    Parameters
    ----------
    least
        How many bytes the disk has to have free, or nothing more is kept.
    metrics
        The folder for the metrics.
    python
        The node's, which runs the program.
    """
    settings = {
        "cache": cache,
        "log": nginx_config.LOG,
        "state": os.path.join(STATE, "state.json"),
        "metrics": os.path.join(metrics, METRICS),
        "full": nginx_config.FULL,
        "least": least,
    }
    return {
        PROGRAM: ("%s\n%s" % (MARK, inspect.getsource(keeper)), 0o644),
        SETTINGS: (json.dumps(settings, indent=2, sort_keys=True) + "\n", 0o644),
        COMMAND: (_command(python), 0o755),
        os.path.join(UNITS, SERVICE): (_service(), 0o644),
        os.path.join(UNITS, TIMER): (_timer(), 0o644),
    }


def _command(python: str) -> str:
    return """#!%s -I
%s
import importlib.util
import sys

spec = importlib.util.spec_from_file_location("package_mirror", %r)
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
sys.exit(program.main(%r))
""" % (python, MARK, PROGRAM, SETTINGS)


def _service() -> str:
    return """%s
[Unit]
Description=Evenkeel: look after the package mirror's cache
After=nginx.service

[Service]
Type=oneshot
ExecStart=%s watch
Nice=10
""" % (MARK, word(COMMAND))


def _timer() -> str:
    return (
        """%s
[Unit]
Description=Evenkeel: look after the package mirror's cache, every 30 seconds

[Timer]
OnActiveSec=1s
OnUnitInactiveSec=30s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
        % MARK
    )
