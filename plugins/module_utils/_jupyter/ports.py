# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The port of each notebook server of a node: the one asked for, the one it had, or the next free one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_LAST = 65535


def assign(
    asked: Mapping[str, int | None], had: Mapping[str, int], first: int, taken_by: Callable[[int], str]
) -> dict[str, int]:
    """Return a port for each user, the same in every run.

    Parameters
    ----------
    asked
        All users that need a port, and the port that each asks for.
    had
        The ports of an earlier run, which these servers hold now.
    first
        Where the search for a free one begins.
    taken_by
        Returns which other program listens on a port; empty when there is none.

    Raises
    ------
    EvenkeelError
        A port is asked for twice, is out of range, or is in use; or none is free.
    """
    given: dict[str, int] = {}
    for user, port in asked.items():
        if port is None:
            continue
        if not 1 <= port <= _LAST:
            raise EvenkeelError("%d, the port of %s, is not a TCP port" % (port, user), "Give a number up to 65535")
        other = next((one for one, its in given.items() if its == port), None)
        if other:
            raise EvenkeelError("%s and %s have the same port, %d" % (other, user, port), "Give each one of its own")
        given[user] = port
    for user in asked:
        port = had.get(user, 0)
        if user not in given and port and port not in given.values():
            given[user] = port
    # Who listens there already is this user's own server, or the server of a user who gets another port now.
    ours = set(had.values())
    for user, port in given.items():
        holder = "" if port in ours else taken_by(port)
        if holder:
            raise EvenkeelError(
                "Port %d, for the notebook server of %s, is in use by %s" % (port, user, holder),
                "Stop it, or set another port in servers (jupyter_port, or port in jupyter_users, of the role)",
            )
    for user in asked:
        if user not in given:
            given[user] = _free(first, {*given.values(), *ours}, taken_by)
    return {user: given[user] for user in asked}


def _free(first: int, used: set[int], taken_by: Callable[[int], str]) -> int:
    for port in range(first, _LAST + 1):
        if port not in used and not taken_by(port):
            return port
    raise EvenkeelError(
        "There is no free port from %d on" % first, "Set first_port (jupyter_first_port of the role) to a lower one"
    )
