# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a node that pulls remembers: the commit that it has, and since when it goes as it goes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

FORMAT = 1
#: How a run ended.
APPLIED, FAILED, REFUSED, UNREACHABLE = "applied", "failed", "refused", "unreachable"
STOPPED, WAITING = "stopped", "waiting"
#: Nothing is wrong with a node whose run ended so.
GOOD = (APPLIED, STOPPED, WAITING)


@dataclass(frozen=True)
class State:
    """What a node remembers; times are in UTC, such as ``2026-11-29T08:00:00Z``.

    Parameters
    ----------
    commit, applied
        The commit that the last successful run has applied, and when it ended.
    outcome, since
        How the last run ended, and since when runs end so.
    fetched
        When the remote answered last.
    """

    commit: str = ""
    applied: str = ""
    outcome: str = ""
    since: str = ""
    fetched: str = ""

    def after(self, outcome: str, now: str) -> State:
        """Return the state after a run that ended so."""
        return replace(self, outcome=outcome, since=self.since if outcome == self.outcome and self.since else now)


def read(path: str) -> State:
    """Return what the node remembers; nothing where there is no file.

    Raises
    ------
    EvenkeelError
        The file is damaged, so that nobody knows which commit the node has; or it is a newer Evenkeel's.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
        require_known(path, content, FORMAT)
        known = {field.name: content.get(field.name, "") for field in fields(State)}
        if not all(isinstance(value, str) for value in known.values()):
            raise TypeError("a value is no text")
        return State(**known)
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise from_os(error, path) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise EvenkeelError(
            "%s is damaged (%s), so it is not known which commit the node has" % (path, error),
            "Delete it: the next run takes what the remote has, even if that is older",
        ) from error


def write(path: str, state: State) -> None:
    """Remember a state; it is on the disk afterwards."""
    write_atomically(path, json.dumps({"format": FORMAT, **asdict(state)}, indent=1) + "\n", 0o600)
