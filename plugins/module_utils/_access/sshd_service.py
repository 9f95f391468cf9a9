# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""sshd's service: whether it has read a file, and how it is made to. Sessions go on."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

#: Its names, on Debian and elsewhere.
_UNITS = ("ssh.service", "sshd.service")
#: Seconds in which a reloaded sshd, which listens anew, has to answer again.
_PATIENCE = 10.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def find() -> Unit | None:
    """Return the unit that runs; None where none does, and each connection has an sshd of its own.

    Raises
    ------
    EvenkeelError
        systemd gave no answer.
    """
    return next((unit for unit in units.read(_UNITS).values() if unit.running), None)


def has_read(service: Unit, path: str) -> bool:
    """Whether the service was started or reloaded after a file was written; a run may have been killed in between."""
    return not units.newer_than(service.changed, [path])


def apply(changes: Sequence[Change], service: Unit | None, addresses: Iterable[str]) -> None:
    """Write the files and reload the service; where that fails, restore the old files and reload again.

    Parameters
    ----------
    service
        What is to be reloaded; None for nothing.
    addresses
        Where sshd listens, by ``sshd -T``; those that answer before the reload must answer after it.

    Raises
    ------
    EvenkeelError
        sshd did not accept them.
    """
    kept_files.apply_all(changes)
    if service is None:
        return
    answering = [address for address in addresses if answers(address)]
    try:
        _reload(service.name, answering)
    except EvenkeelError:
        kept_files.apply_all(replace(change, before=change.after, after=change.before) for change in changes)
        with contextlib.suppress(EvenkeelError):
            _reload(service.name, answering)
        raise


def answers(address: str) -> bool:
    """Whether an SSH server answers at an address such as ``0.0.0.0:22`` or ``[::]:22``."""
    host, _unused, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((_ANYWHERE.get(host, host), int(port)), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _reload(unit: str, answering: Sequence[str]) -> None:
    remedy = "See `journalctl --unit %s`; the old settings are restored" % unit
    command.require(["systemctl", "reload", unit], remedy)
    end = time.monotonic() + _PATIENCE
    while not all(map(answers, answering)):
        if time.monotonic() > end:
            raise EvenkeelError("sshd no longer answers at %s" % ", ".join(answering), remedy)
        time.sleep(0.05)
