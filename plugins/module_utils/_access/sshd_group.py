# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The group whose members may forward through sshd: made when missing, joined by users.

Members leave that were added here and are no longer wanted, and so does a group that was made here; nobody else does.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

GROUPS, USERS = "/etc/group", "/etc/passwd"

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


@dataclass(frozen=True)
class Leaving:
    """What was made here and is no longer wanted.

    Parameters
    ----------
    members
        Users and the groups that they leave.
    groups
        The groups that go.
    stay
        Groups that can't go, with the reason.
    things
        What is in the record no more.
    """

    members: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    stay: Mapping[str, str] = field(default_factory=dict)
    things: tuple[Thing, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.members or self.groups)

    def diffs(self) -> list[dict[str, str]]:
        """Return it as differences, by group."""
        found = {}
        for group in sorted({group for _user, group in self.members} | {*self.groups}):
            before = ["there is one"] * (group in self.groups)
            before += ["member %s" % user for user, of in self.members if of == group]
            header = {"before_header": "group %s" % group, "after_header": "group %s" % group}
            found[group] = {**header, "before": "".join("%s\n" % line for line in before), "after": ""}
        return list(found.values())


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


def leaving(
    recorded: Iterable[Thing],
    wanted: Collection[Thing],
    members: Mapping[str, Collection[str]],
    primary: Collection[str],
) -> Leaving:
    """Find what was made here and is no longer wanted.

    Parameters
    ----------
    recorded
        The module's record.
    wanted
        The group and its members, as the record would have them.
    members
        Of each local group in the record, the members that it has.
    primary
        Those of the groups that are the primary group of an account.
    """
    gone = [thing for thing in recorded if thing.kind in ("member", "group") and thing not in wanted]
    pairs = [tuple(thing.name.split(" ", 1)) for thing in gone if thing.kind == "member"]
    leave = tuple((user, group) for user, group in pairs if user in members.get(group, ()))
    stay: dict[str, str] = {}
    groups = []
    for group in (thing.name for thing in gone if thing.kind == "group"):
        others = sorted(user for user in members.get(group, ()) if (user, group) not in leave)
        if others:
            stay[group] = "%s in it" % (", ".join(others) + (" is" if len(others) == 1 else " are"))
        elif group in primary:
            stay[group] = "it is the primary group of an account"
        elif group in members:
            groups.append(group)
    things = tuple(thing for thing in gone if thing.kind == "member" or thing.name not in stay)
    return Leaving(leave, tuple(groups), stay, things)


def members_of(groups: Iterable[str]) -> dict[str, list[str]]:
    """Return the members of local groups, by group; those that are not there are left out."""
    wanted = {*groups}
    with open(GROUPS, encoding="utf-8", errors="surrogateescape") as stream:
        rows = [line.rstrip("\n").split(":") for line in stream]
    return {row[0]: [user for user in row[3].split(",") if user] for row in rows if len(row) == 4 and row[0] in wanted}


def primary_groups(groups: Iterable[str]) -> list[str]:
    """Return those of the groups that are the primary group of a local account."""
    ids = {}
    for group in groups:
        gid = group_id(group)
        if gid is not None:
            ids[str(gid)] = group
    with open(USERS, encoding="utf-8", errors="surrogateescape") as stream:
        return sorted({ids[row[3]] for row in (line.split(":") for line in stream) if len(row) > 3 and row[3] in ids})


def leave(todo: Leaving) -> None:
    """Carry it out; sessions go on."""
    remedy = "Check that root can change %s on the node" % GROUPS
    for user, group in todo.members:
        command.require(["gpasswd", "--delete", user, group], remedy)
    for group in todo.groups:
        command.require(["groupdel", group], remedy)


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
