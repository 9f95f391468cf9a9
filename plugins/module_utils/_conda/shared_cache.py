# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A package cache of conda that the members of a group write together, whatever their umask."""

from __future__ import annotations

import errno
import grp
import os
import shutil
import stat
import struct
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME

#: conda takes a cache for one that it may write when it may write this file in it.
REGISTER = "urls.txt"
DIRECTORY_MODE = 0o2775
REGISTER_MODE = 0o664
_DEFAULT_ACL = "system.posix_acl_default"
# Version 2; then tag, permissions and an unused id of owner, group and others (linux/posix_acl_xattr.h).
_GROUP_WRITES = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, 0xFFFFFFFF) for tag, permissions in ((0x01, 7), (0x04, 7), (0x20, 5))
)


@dataclass(frozen=True)
class Desired:
    """The cache that must be there."""

    path: str
    #: The group whose members write it; none when empty.
    group: str


@dataclass(frozen=True)
class State:
    """What is there: owner, group and mode of the directory and of its register, None where it is missing."""

    directory: tuple[int, int, int] | None
    register: tuple[int, int, int] | None
    #: Whether new files are open to the group by an access control list; None where the file system has none.
    inherits: bool | None


@dataclass(frozen=True)
class Plan:
    """Whether owner, modes and access control list are to be set."""

    path: str = ""
    gid: int = 0
    repair: bool = False
    remove: bool = False

    @property
    def changed(self) -> bool:
        return self.repair or self.remove

    @property
    def lines(self) -> tuple[str, ...]:
        """What changes, one line each."""
        if self.remove:
            return ("- %s" % self.path,)
        return ("~ %s, for the group %d to write" % (self.path, self.gid),) if self.repair else ()


def group_id(desired: Desired) -> int:
    """Return the number of the group.

    Raises
    ------
    EvenkeelError
        The node has no such group.
    """
    try:
        return grp.getgrnam(desired.group).gr_gid
    except KeyError:
        raise EvenkeelError(
            "The node has no group %s that could write the shared package cache" % desired.group,
            "Create it first, or correct shared_cache_group",
        ) from None


def read(desired: Desired) -> State:
    """Read what is there."""
    return State(_facts(desired.path), _facts(os.path.join(desired.path, REGISTER)), _inherits(desired.path))


def plan(state: State, desired: Desired, gid: int) -> Plan:
    """Decide; pure."""
    intact = (
        state.directory == (0, gid, DIRECTORY_MODE)
        and state.register is not None
        and state.register[1:] == (gid, REGISTER_MODE)
        and state.inherits is not False
    )
    return Plan(desired.path, gid, not intact)


def plan_absence(path: str) -> Plan:
    """Decide how a cache goes: one by whose path it is not plainly Evenkeel's stays, since people may have made it."""
    return Plan(path, remove=OUR_NAME in path and os.path.isdir(path) and not os.path.islink(path))


def apply(plan: Plan) -> None:
    """Bring the cache to the plan's end; what is in one that is repaired stays."""
    if plan.remove:
        shutil.rmtree(plan.path)
        for folder in (os.path.dirname(plan.path), os.path.dirname(os.path.dirname(plan.path))):
            remains.prune_own(folder)
    if not plan.repair:
        return
    try:
        _repair(plan)
    except OSError as error:
        raise EvenkeelError(
            "The shared package cache %s can't be set up (%s: %s)"
            % (plan.path, path_of(error) or plan.path, error.strerror),
            "Remove what is in the way, or choose another shared_cache",
        ) from error


def _repair(plan: Plan) -> None:
    os.makedirs(plan.path, mode=0o755, exist_ok=True)
    os.chown(plan.path, 0, plan.gid)
    os.chmod(plan.path, DIRECTORY_MODE)
    try:
        os.setxattr(plan.path, _DEFAULT_ACL, _GROUP_WRITES)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
    # The members of the group may put anything there, at any moment: what was opened is what is changed.
    flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    register = os.open(os.path.join(plan.path, REGISTER), flags, REGISTER_MODE)
    try:
        os.fchown(register, -1, plan.gid)
        os.fchmod(register, REGISTER_MODE)
    finally:
        os.close(register)


def _facts(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def _inherits(path: str) -> bool | None:
    try:
        return os.getxattr(path, _DEFAULT_ACL) == _GROUP_WRITES
    except OSError as error:
        return None if error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP) else False
