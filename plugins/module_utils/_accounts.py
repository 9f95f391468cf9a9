# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The accounts of a node, and a module that has no more rights than one of them."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

ACCOUNTS = "/etc/passwd"


def account(name: str) -> pwd.struct_passwd:
    """Return an account of the node, also of a directory service."""
    try:
        return pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise EvenkeelError("The node has no user %s" % name, "Correct the name, or make the account first") from None


def local_users() -> list[str]:
    """Return the node's own accounts that have a home, one for each home.

    Those of a directory service are not listed: there may be thousands, whose homes are mounted when looked at.
    """
    with open(ACCOUNTS, encoding="utf-8", errors="surrogateescape") as stream:
        fields = [line.rstrip("\n").split(":") for line in stream if line.count(":") == 6]
    homes = {home: name for name, _, _, _, _, home, _ in reversed(fields) if home != "/"}
    return sorted(name for home, name in homes.items() if os.path.isdir(home))


@contextlib.contextmanager
def acting_as(user: str | None) -> Iterator[None]:
    """Have no more rights than a user, where the module runs as root."""
    if user is None or os.geteuid() != 0:
        yield
        return
    entry = account(user)
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(user, entry.pw_gid))
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
