# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The lease by which one run at a time changes a node: who has it, since when, and until when if that run is lost.

A run is many modules, so no lock that a process holds lasts for all of it. The lease is a file that is gone after a
boot. Each module of the run renews it, and fails where another run has taken the node since. A lease is over when its
time is, unless a module of the run still works, and when the run's own process is known to have ended, which shows on
the machine where it ran.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

FORMAT = 1
#: For root alone.
FOLDER = "/run/evenkeel/lease"
#: How long a lease lasts after the start of a module, in seconds.
SECONDS = 3600
#: What a run from a control node can do about a lease, beside waiting.
TAKE_OVER = "Wait for it to end, or take the node from it by -e evenkeel_take_over=true"
_LOCK_SECONDS = 10
_MOST_BYTES = 1 << 14

#: A lease as it is reported to other machines: the fields of its run, and ``since`` and ``until`` in UTC.
Reported = Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """A run, as nodes and other runs know it.

    Parameters
    ----------
    id
        No other run has it.
    who, what
        Such as ``ana@control1`` and ``site.yml``.
    machine, process
        Where its own process runs, and which it is; see ``process_identity``.
    """

    id: str
    who: str
    what: str
    machine: str
    process: str

    def text(self) -> str:
        """Return the run as one line."""
        return json.dumps(asdict(self))


def parsed(text: str) -> Run:
    """Return the run that a text describes, as ``Run.text`` does."""
    return Run(**json.loads(text))


@dataclass(frozen=True)
class Lease:
    """A run's lease.

    Parameters
    ----------
    since
        When the run has taken the node, by the node's clock.
    until
        When it is over, in seconds since the node's boot: clocks are set.
    worker
        The module that has renewed it last.
    """

    run: Run
    since: float
    until: float
    worker: str

    @property
    def works(self) -> bool:
        """Whether a module of the run still does."""
        return process_identity.runs(self.worker)

    @property
    def over(self) -> bool:
        """Whether its run has ended, or is taken for lost."""
        return has_ended(asdict(self.run)) or (_since_boot() >= self.until and not self.works)


def has_ended(run: Reported) -> bool:
    """Return whether a run's process was on this machine and has ended."""
    ours = bool(run["machine"]) and run["machine"] == process_identity.machine()
    return ours and not process_identity.runs(run["process"])


def in_the_way(folder: str = FOLDER) -> dict[str, str] | None:
    """Return the lease of a node that a run has; None where it is free, or where only root may know."""
    try:
        lease = _read(folder)
    except OSError:  # taking the lease reports it
        return None
    return _reported(lease) if lease and not lease.over else None


def take(run: Run, instead_of: str = "", *, folder: str = FOLDER) -> tuple[dict[str, str] | None, list[str]]:
    """Have a run hold the node; return the lease of another run that does, and warnings.

    Parameters
    ----------
    instead_of
        The id of a run that is to lose the node; where meanwhile another one has it, that one keeps it.

    Raises
    ------
    EvenkeelError
        A newer Evenkeel has written the lease, or it can't be written.
    """
    path, warnings = _path(folder), []
    try:
        with held(os.path.join(folder, "lock"), _LOCK_SECONDS):
            try:
                lease = _read(folder)
            except OSError:  # a directory or a link
                lease = None
            if lease is None and os.path.lexists(path):
                warnings.append("%s was damaged and is replaced: which run has had this node is not known" % path)
            if lease and lease.run.id not in (run.id, instead_of) and not lease.over:
                return _reported(lease), []
            since = lease.since if lease and lease.run.id == run.id else time.time()
            _write(path, Lease(run, since, _since_boot() + SECONDS, process_identity.of(os.getpid())))
    except OSError as error:
        raise from_os(error, path) from error
    return None, warnings


def renew(text: str, *, folder: str = FOLDER) -> None:
    """Have the run of this module, which ``text`` describes, hold the node further, and again after a boot.

    Raises
    ------
    EvenkeelError
        Another run has the node now.
    """
    other, _warnings = take(parsed(text), folder=folder)
    if other:
        raise refusal(other, "This run has lost the node: see whether that one was meant to take it, and run again")


def release(run: Run, *, folder: str = FOLDER) -> None:
    """End a run's lease; that of another run stays."""
    with contextlib.suppress(FileNotFoundError), held(os.path.join(folder, "lock"), _LOCK_SECONDS):
        lease = _read(folder)
        if lease and lease.run.id == run.id:
            os.unlink(_path(folder))


def refusal(other: Reported, remedy: str = TAKE_OVER) -> EvenkeelError:
    """Return the error that another run has this node."""
    until = " (until %s if it does not go on)" % other["until"] if other["until"] else ""
    return EvenkeelError("%(who)s has been changing this node by %(what)s since %(since)s" % other + until, remedy)


def _reported(lease: Lease) -> dict[str, str]:
    until = "" if lease.works else _text(time.time() + lease.until - _since_boot())
    return {**asdict(lease.run), "since": _text(lease.since), "until": until}


def _text(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _read(folder: str) -> Lease | None:
    """Return the lease; None where there is none, or a damaged one."""
    path = _path(folder)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        content = stream.read(_MOST_BYTES)
    try:
        given = json.loads(content)
        require_known(path, given, FORMAT)
        lease = Lease(Run(**given["run"]), float(given["since"]), float(given["until"]), given["worker"])
        _text(lease.since)
    except (ValueError, TypeError, LookupError, RecursionError, ArithmeticError, OSError):
        return None
    texts = [*asdict(lease.run).values(), lease.worker]
    # A later end is of an earlier boot, where the folder outlives one.
    is_of_this_boot = lease.until <= _since_boot() + SECONDS
    return lease if is_of_this_boot and all(isinstance(text, str) for text in texts) else None


def _write(path: str, lease: Lease) -> None:
    write_atomically(path, json.dumps({"format": FORMAT, **asdict(lease)}, indent=1) + "\n", 0o600)


def _path(folder: str) -> str:
    return os.path.join(folder, "lease.json")


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
