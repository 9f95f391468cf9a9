# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The accounts of a node."""

from __future__ import annotations

import os
import pwd
import re

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ACCOUNTS = "/etc/passwd"
#: What distributions give the accounts that only own files or processes: looking at each takes a process.
_NO_HOME = re.compile(
    "|/|/nonexistent|(/s?bin|/dev|/run|/usr/(s?bin|games|lib|share)|/var/(backups|cache|list|mail|run|spool))(/.*)?"
)


def account(name: str) -> pwd.struct_passwd:
    """Return an account of the node, also of a directory service."""
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise EvenkeelError("The node has no user %s" % name, "Correct the name, or make the account first") from None


def is_local(name: str) -> bool:
    """Return whether an account is in the node's own file, and not in that of a directory service alone."""
    return any(fields[0] == name for fields in _local())


def local_users() -> list[str]:
    """Return the node's own accounts that have a home, one for each home, or the module's own account without root.

    Those of a directory service are not listed: there may be thousands, whose homes are mounted when looked at. Nothing
    looks at the homes themselves, which may hang. A directory of the system's own is no home.
    """
    if os.geteuid() != 0:
        return [pwd.getpwuid(os.geteuid()).pw_name]
    homes = {
        home: name
        for name, _unused, _unused, _unused, _unused, home, _unused in reversed(_local())
        if not _NO_HOME.fullmatch(home)
    }
    return sorted(homes.values())


def _local() -> list[list[str]]:
    """Return the lines of the node's own file, by their fields."""
    with open(ACCOUNTS, encoding="utf-8", errors="surrogateescape") as stream:
        return [line.rstrip("\n").split(":") for line in stream if line.count(":") == 6]


def owner(path: str) -> pwd.struct_passwd | None:
    """Return with whose rights to use a path: those of the owner of the first part of it that is not root's.

    None are the module's own: where it is not root, and where all that is there of the path is root's, links and their
    targets included.
    """
    if os.geteuid() != 0:
        return None
    for name in (path, os.path.realpath(path)):
        parts = name.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            try:
                status = os.lstat("/" + "/".join(parts[:end]))
            except (FileNotFoundError, NotADirectoryError):
                break
            if status.st_uid != 0:
                return of_number(status.st_uid, status.st_gid)
    return None


def of_number(uid: int, gid: int) -> pwd.struct_passwd:
    """Return an account by its number, or one that has nothing but that."""
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return pwd.struct_passwd(("user %d" % uid, "x", uid, gid, "", "/", "/bin/sh"))
