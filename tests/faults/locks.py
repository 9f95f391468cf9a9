# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that others hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.conftest import Node

#: Holds a lock of dpkg's, as a run of it does, and reports it.
_LOCKER = """
import fcntl, pathlib, time
file = open('/var/lib/dpkg/lock-frontend', 'w')
fcntl.lockf(file, fcntl.LOCK_EX)
pathlib.Path('/run/locked').touch()
time.sleep(600)
"""


@contextmanager
def dpkg_locked(node: Node) -> Iterator[None]:
    """Have a Python hold the lock of dpkg."""
    node.host.check_output("systemd-run --unit=squatter python3 -c %s", _LOCKER)
    try:
        node.host.check_output("until [ -e /run/locked ]; do sleep 0.02; done")
        yield
    finally:
        node.host.check_output("systemctl stop squatter.service; rm -f /run/locked")
