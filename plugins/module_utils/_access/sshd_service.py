# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""sshd's service: whether it has read a file, and how it is told to. Sessions go on."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change

#: Its names, on Debian and elsewhere.
_UNITS = ("ssh.service", "sshd.service")
_PROPERTIES = "Id,ActiveState,StateChangeTimestampMonotonic"
#: Seconds in which a reloaded sshd, which listens anew, has to answer again.
_PATIENCE = 10.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True)
class Service:
    """The unit that runs; ``read`` is when it was started or reloaded last, in seconds since the epoch."""

    unit: str
    read: float


def parse(shown: str, now: float, monotonic: float) -> Service | None:
    """Read ``systemctl show`` of the units; None where none runs, and each connection has an sshd of its own."""
    for block in shown.split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if properties.get("ActiveState") in ("active", "reloading"):
            since_boot = int(properties.get("StateChangeTimestampMonotonic") or 0) / 1e6
            return Service(properties["Id"], now - (monotonic - since_boot))
    return None


def find() -> Service | None:
    """Return the node's service."""
    shown = command.run(["systemctl", "show", "--property=" + _PROPERTIES, *_UNITS]).output
    return parse(shown, time.time(), time.monotonic())


def has_read(service: Service, path: str) -> bool:
    """Tell whether the service was told after a file was written; a run may have been killed between the two."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_mtime <= service.read
    return True


def apply(changes: Sequence[Change], service: Service | None, addresses: Iterable[str]) -> None:
    """Write the files and have them read; where that fails, have the old ones back.

    Parameters
    ----------
    service
        What is to be reloaded; None for nothing.
    addresses
        Where sshd listens, as ``sshd -T`` says; those that answer before have to do so afterwards.

    Raises
    ------
    EvenkeelError
        sshd did not take them.
    """
    kept_files.apply_all(changes)
    if service is None:
        return
    answering = [address for address in addresses if answers(address)]
    try:
        _reload(service.unit, answering)
    except EvenkeelError:
        kept_files.apply_all(replace(change, before=change.after, after=change.before) for change in changes)
        with contextlib.suppress(EvenkeelError):
            _reload(service.unit, answering)
        raise


def answers(address: str) -> bool:
    """Tell whether an SSH server answers at an address such as ``0.0.0.0:22`` or ``[::]:22``."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((_ANYWHERE.get(host, host), int(port)), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _reload(unit: str, answering: Sequence[str]) -> None:
    mend = "See `journalctl --unit %s`; the settings are as they were" % unit
    command.require(["systemctl", "reload", unit], mend)
    end = time.monotonic() + _PATIENCE
    while not all(map(answers, answering)):
        if time.monotonic() > end:
            raise EvenkeelError("sshd does not answer at %s any more" % ", ".join(answering), mend)
        time.sleep(0.05)
