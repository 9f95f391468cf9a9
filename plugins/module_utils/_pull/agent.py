# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The program that a node's timer runs: fetch, verify, apply, report.

It is started as ``evenkeel-pull``, with the path of the Python that has ansible-core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, process_identity, run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitise
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import delivery, playbook_run, verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import settings as pull_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import state as states
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.repository import Refused, Repository, Unreachable
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.state import State

REPORT_FORMAT = 1
#: How long a run may take, in minutes, before its report counts as late.
MINUTES_OF_A_RUN = 15
_TIME = "%Y-%m-%dT%H:%M:%SZ"
#: The exit status where something is wrong that the program knows of: Python ends with 1 where it does not.
PROBLEM = 3


class Waiting(EvenkeelError):
    """Another run has the node."""


@dataclass
class Run:
    """What is known of a run while it goes on.

    Parameters
    ----------
    started
        When it began, in UTC.
    candidate
        The commit that the remote has; empty until it has answered.
    """

    started: str
    candidate: str = ""
    outcome: str = states.FAILED
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None, places: Places | None = None) -> int:
    """Run the program, and return its exit status: 0 where nothing is wrong, otherwise 3, which no crash has."""
    parser = argparse.ArgumentParser(prog="evenkeel-pull", description="Apply what a git repository declares.")
    parser.add_argument("--python", required=True, help="Python of the environment with ansible-core")
    parser.add_argument("--allow-older", action="store_true", help="apply a commit that does not follow the last one")
    parser.add_argument("action", nargs="?", choices=["run", "status"], default="run")
    arguments = parser.parse_args(argv)
    places = places or Places()
    os.umask(0o077)
    try:
        if arguments.action == "status":
            sys.stdout.write((kept_files.text(places.report) or "{}") + "\n")
            return 0
        settings = pull_settings.read(places.settings)
        if arguments.allow_older:
            settings = replace(settings, allow_older=True)
        with held(places.lock, 0) as lock:
            return pull(settings, places, arguments.python, lock)
    except (EvenkeelError, OSError) as error:
        _say(error if isinstance(error, EvenkeelError) else from_os(error))
    return PROBLEM


def pull(settings: Settings, places: Places, python: str, lock: int) -> int:
    """Do one run, keep its report and deliver it; return the exit status.

    Parameters
    ----------
    lock
        The descriptor of the lock, which the caller holds.
    """
    run, before, remembers = Run(now()), State(), False
    try:
        before = states.read(places.state)
        remembers = True
        if os.path.lexists(places.stop):
            run.outcome = states.STOPPED
            run.reason = "%s is there. Delete it, and the node pulls again." % places.stop
        else:
            apply(Repository(places, settings), before, python, lock, run)
    except EvenkeelError as error:
        run.outcome, run.reason = _outcome_of(error), str(error)
    except OSError as error:
        run.reason = str(from_os(error))
    if run.outcome == states.APPLIED and not os.path.exists(places.settings):
        _say("The node pulls no more: the playbook has removed what it had for that")
        return 0
    ended = now()
    after = before.after(run.outcome, run.started)
    if run.candidate:
        after = replace(after, fetched=run.started)
    if run.outcome == states.APPLIED:
        after = replace(after, commit=run.candidate, applied=ended)
    report = rendered(settings, after, run, ended)
    found = verdict.read(places.drift, run.started) if run.outcome == states.APPLIED else None
    if run.reason:
        _say("%s: %s" % (run.outcome, run.reason))
    steps: list[Callable[[], None]] = [
        *([lambda: states.write(places.state, after)] if remembers else ()),
        lambda: write_atomically(places.report, _text(report), 0o600),
        lambda: delivery.deliver(settings, places, _text({**report, **({"drift": found} if found else {})})),
    ]
    # A disk that is full keeps nothing, and the report is delivered all the same.
    problems = [problem for problem in map(_problem_of, steps) if problem]
    for problem in problems:
        _say(problem)
    return 0 if not problems and run.outcome in states.GOOD else PROBLEM


def apply(copy: Repository, before: State, python: str, lock: int, run: Run) -> None:
    """Bring the node to what the remote has.

    Raises
    ------
    EvenkeelError
        The remote does not answer, what it has is refused, or something else is in the way; the node is as it was.
    """
    settings, places = copy.settings, copy.places
    copy.ensure()
    run.candidate = commit = copy.fetch()
    copy.verify()
    if before.commit and not settings.allow_older and not copy.follows(commit, before.commit):
        raise Refused(
            "The commit %s does not follow %s, which the node has" % (commit[:12], before.commit[:12]),
            "If that is meant, run `evenkeel-pull --allow-older` on the node, or set pull_agent_allow_older; if not, "
            "find out who has moved %s" % settings.ref,
        )
    copy.prune(keep=[before.commit, commit])
    checkout = copy.check_out(commit)
    # Of a commit that the node has, the playbook itself takes the node, if it finds something to change.
    with _node(places, commit, hold=commit != before.commit) as holder:
        ended = playbook_run.run(python, checkout, settings, places, keeps=[lock], holder=holder)
    run.outcome = states.FAILED if ended.problem else states.APPLIED
    run.reason, run.counts = sanitise(masked(ended.problem)), ended.counts
    if ended.problem:  # another run may have come first
        _leave_to(run_lease.in_the_way(places.lease))


@contextlib.contextmanager
def _node(places: Places, commit: str, *, hold: bool) -> Iterator[str]:
    """Require that no run from a control node changes this node, and hold it; yield what describes its holder."""
    if not hold:
        _leave_to(run_lease.in_the_way(places.lease))
        yield ""
        return
    process = process_identity.of(os.getpid())
    holder = run_lease.Run(
        id="%s %s" % (commit, process),
        who="evenkeel-pull",
        what="the commit %s" % commit[:12],
        machine=process_identity.machine(),
        process=process,
    )
    _leave_to(run_lease.take(holder, folder=places.lease)[0])
    try:
        yield holder.text()
    finally:
        run_lease.release(holder, folder=places.lease)


def _leave_to(other: run_lease.Reported | None) -> None:
    """Leave the node to another run that has it."""
    if other:
        refusal = run_lease.refusal(other)
        raise Waiting(refusal.what, "The next run of evenkeel-pull goes on")


def rendered(settings: Settings, state: State, run: Run, ended: str) -> dict[str, Any]:
    """Return the report of a run."""
    wait = timedelta(minutes=settings.interval + settings.splay + MINUTES_OF_A_RUN)
    return {
        "format": REPORT_FORMAT,
        "host": settings.host,
        "outcome": run.outcome,
        "reason": run.reason,
        "since": state.since,
        "commit": state.commit,
        "applied": state.applied,
        "candidate": run.candidate,
        "fetched": state.fetched,
        "started": run.started,
        "ended": ended,
        "due": (datetime.strptime(ended, _TIME) + wait).strftime(_TIME),
        "counts": dict(run.counts),
    }


def now() -> str:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc).strftime(_TIME)


def _text(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=1) + "\n"


def _say(what: object) -> None:
    sys.stderr.write("%s\n" % what)


def _problem_of(step: Callable[[], None]) -> str:
    """Take a step, and return what went wrong."""
    try:
        step()
    except EvenkeelError as error:
        return str(error)
    except OSError as error:
        return str(from_os(error))
    return ""


def _outcome_of(error: EvenkeelError) -> str:
    kinds = {Refused: states.REFUSED, Unreachable: states.UNREACHABLE, Waiting: states.WAITING}
    return kinds.get(type(error), states.FAILED)


if __name__ == "__main__":
    raise SystemExit(main())
