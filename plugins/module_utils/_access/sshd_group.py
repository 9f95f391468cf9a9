# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The group whose members may forward through sshd: made when missing, joined by users; no member is removed."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_GROUP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")
#: A directory service separates the domain from the name with a backslash or a plus sign.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+%-]*\$?")


@dataclass(frozen=True)
class Plan:
    """Whether the group is to be made, and the users that join it."""

    group: str
    create: bool
    join: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.create or bool(self.join)

    def diff(self) -> dict[str, str]:
        """Return it as a difference."""
        header = "group %s" % self.group
        after = ["there is one"] * self.create + ["member %s" % user for user in self.join]
        shown = "".join("%s\n" % line for line in after)
        return {"before": "", "after": shown, "before_header": header, "after_header": header}


def check(group: str, users: Sequence[str]) -> None:
    """Require names of groups and users that are valid, and a group that gives no other rights.

    Raises
    ------
    EvenkeelError
        All others are named.
    """
    wrong = [group] * (not _GROUP.fullmatch(group)) + [name for name in users if not _USER.fullmatch(name)]
    if wrong:
        raise EvenkeelError(
            "%s can't be the name of a group or a user" % ", ".join(map(repr, wrong)),
            "Use letters, digits and _ . @ -, and no space",
        )
    if group in ("root", "sudo", "wheel"):
        raise EvenkeelError("The group is %s, which gives other rights too" % group, "Name a group of its own")


def read(users: Sequence[str]) -> dict[str, set[int] | None]:
    """Return the ids of the groups that each user is in; None for a user that the node does not know."""
    return {user: _groups_of(user) for user in users}


def group_id(group: str) -> int | None:
    """Return the id of a group; None where there is none."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def plan(group: str, gid: int | None, memberships: Mapping[str, set[int] | None], *, may_be_missing: bool) -> Plan:
    """Compare the present state with the wanted one.

    Parameters
    ----------
    may_be_missing
        Whether users may be made before this in a real run.

    Raises
    ------
    EvenkeelError
        The node does not know some of the users; all are named.
    """
    missing = [user for user, groups in memberships.items() if groups is None]
    if missing and not may_be_missing:
        raise EvenkeelError(
            "The node has no user %s" % ", ".join(missing),
            "Correct users (remote_access_users of the role), or create the accounts first",
        )
    return Plan(group, gid is None, tuple(user for user, groups in memberships.items() if gid not in (groups or ())))


def apply(todo: Plan) -> None:
    """Carry out the plan."""
    if todo.create:
        command.require(["groupadd", "--system", todo.group], "Check that root can change /etc/group on the node")
    for user in todo.join:
        command.require(
            ["gpasswd", "--add", user, todo.group],
            "Add %s in the directory service if the group is kept there, or name a local group" % user,
        )


def _groups_of(user: str) -> set[int] | None:
    try:
        return set(os.getgrouplist(user, pwd.getpwnam(user).pw_gid))
    except KeyError:
        return None
