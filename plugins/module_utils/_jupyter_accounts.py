# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether people's accounts can have a notebook server."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

_NO_LOGIN = ("nologin", "false")
# What systemd and a path take as it is; directories of a domain's accounts have @ and \ too.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\+-]*")


@dataclass(frozen=True)
class Account:
    """An account of the node; no ids where it is made by the same run."""

    name: str
    home: str
    shell: str = "/bin/sh"
    uid: int = -1
    gid: int = -1


def problem(name: str, account: Account | None, home_is_there: bool) -> str | None:
    """Say why an account can't have a server, or None."""
    if not _NAME.fullmatch(name):
        return "%r is not a user's name" % name
    if account is None:
        return "there is no user %s" % name
    if account.uid == 0:
        return "%s is root, and notebooks run other people's code" % name
    if os.path.basename(account.shell) in _NO_LOGIN:
        return "%s may not log in (its shell is %s)" % (name, account.shell)
    if not home_is_there:
        return "the home of %s, %s, is not a directory" % (name, account.home)
    return None


def look_up(names: Iterable[str], planned: Mapping[str, str]) -> dict[str, Account]:
    """Return the accounts; those that are ``planned``, each with its home, need not be there yet.

    Raises
    ------
    EvenkeelError
        Some can't have a server; all of them are named.
    """
    found: dict[str, Account] = {}
    problems = []
    for name in names:
        account = _account(name)
        if account is None and name in planned:
            found[name] = Account(name, planned[name])
            continue
        trouble = problem(name, account, account is not None and os.path.isdir(account.home))
        if trouble:
            problems.append(trouble)
        elif account:
            found[name] = account
    if problems:
        raise EvenkeelError(
            "Not everybody in jupyter_users can have a notebook server: %s" % "; ".join(problems),
            "Create the account with a home and a shell first, or take it off the list",
        )
    return found


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    return Account(entry.pw_name, entry.pw_dir, entry.pw_shell, entry.pw_uid, entry.pw_gid)
