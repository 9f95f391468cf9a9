# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The group whose members may forward through sshd: made when missing, joined by users; no member is removed."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

GROUPS = "/etc/group"

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


def is_local(group: str) -> bool:
    """Return whether a group is in the node's own file, and not in that of a directory service alone."""
    with open(GROUPS, encoding="utf-8", errors="surrogateescape") as stream:
        return any(line.partition(":")[0] == group for line in stream)


def plan(
    group: str, gid: int | None, memberships: Mapping[str, set[int] | None], *, local: bool, planned: Collection[str]
) -> Plan:
    """Compare the present state with the wanted one.

    Parameters
    ----------
    local
        Whether the group is in ``/etc/group``, so that members can be added here.
    planned
        Users that are made before this in a real run.

    Raises
    ------
    EvenkeelError
        The node does not know some of the users, all of whom are named; or the group is not the node's own.
    """
    missing = [user for user, groups in memberships.items() if groups is None and user not in planned]
    if missing:
        raise EvenkeelError(
            "The node has no user %s" % ", ".join(missing),
            "Correct users (jupyter_users, or remote_access_users of the role), or create the accounts first",
        )
    join = tuple(user for user, groups in memberships.items() if gid not in (groups or ()))
    if join and gid is not None and not local:
        raise EvenkeelError(
            "%s can't join the group %s on the node, since it is not in %s" % (", ".join(join), group, GROUPS),
            "Add them in the directory service, or name a local group (remote_access_group of the role)",
        )
    return Plan(group, gid is None, join)


def apply(todo: Plan) -> None:
    """Carry out the plan."""
    if todo.create:
        command.require(["groupadd", "--system", todo.group], "Check that root can change %s on the node" % GROUPS)
    for user in todo.join:
        command.require(
            ["gpasswd", "--add", user, todo.group],
            "Check that root can change %s on the node" % GROUPS,
        )


def _groups_of(user: str) -> set[int] | None:
    try:
        return set(os.getgrouplist(user, pwd.getpwnam(user).pw_gid))
    except KeyError:
        return None
