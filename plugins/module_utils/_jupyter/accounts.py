# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether accounts can have a notebook server."""

from __future__ import annotations

import functools
import os
import pwd
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_user
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.unit_text import escape

_NO_LOGIN = ("nologin", "false")
# What systemd accepts as a user: names of a domain's directory hold @, \ and spaces. A backslash at the end would
# continue a line of a unit, and a hyphen at the beginning would make an option of a program.
_NAME = re.compile(r"(?!-|\d+$|\.{1,2}$)(?! )[^\x00-\x1f\x7f-\x9f:/]+(?<![ \\])")
#: Linux limits the path of a socket to 107 bytes; this is left for the name.
_LONGEST = 80
#: How many seconds one home may take to be examined, and all of them together.
_HOME_SECONDS, _ALL_HOMES_SECONDS = 10.0, 60.0


@dataclass(frozen=True)
class Account:
    """An account of the node; without ids where the same run creates it."""

    name: str
    home: str
    shell: str = "/bin/sh"
    uid: int = -1
    gid: int = -1


@dataclass(frozen=True)
class Found:
    """The accounts by name, and the problems of those that are missing or can't work now."""

    accounts: Mapping[str, Account]
    #: By name.
    problems: Mapping[str, str] = field(default_factory=dict)


def problem(name: str, account: Account | None) -> str | None:
    """Return why an account can't have a server, or None."""
    if not _NAME.fullmatch(name) or not _is_text(name):
        return "%r is not a user's name" % name
    if len(escape(name)) > _LONGEST:
        return "the name %s is too long for the path of a socket" % name
    if account is None:
        return "there is no user %s" % name
    if account.name != name:
        return "the node calls %s %s" % (name, account.name)
    if account.uid == 0:
        return "%s is root, and notebooks run other people's code" % name
    if os.path.basename(account.shell) in _NO_LOGIN:
        return "%s may not log in (its shell is %s)" % (name, account.shell)
    return None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def look_up(names: Sequence[str], planned: Mapping[str, str], served: Collection[str] = ()) -> Found:
    """Return the accounts.

    Parameters
    ----------
    planned
        Homes of those that the same run creates, or corrects, before their servers are set up.
    served
        Users that have a server. That a directory service no longer knows one of them, or has locked the account,
        is not the operator's mistake, and does not stop the run.

    Raises
    ------
    EvenkeelError
        Some can't have a server; all of them are named.
    """
    found: dict[str, Account] = {}
    mistakes: dict[str, str] = {}
    for name in names:
        account = _account(name)
        if name in planned:
            ids = (account.uid, account.gid) if account else (-1, -1)
            account = Account(name, planned[name], uid=ids[0], gid=ids[1])
        trouble = problem(name, account)
        if trouble:
            mistakes[name] = trouble
        elif account:
            found[name] = account
    problems = {name: mistakes.pop(name) for name in list(mistakes) if name in served}
    if mistakes or (problems and not found):
        raise EvenkeelError(
            "Not every user in servers (jupyter_users of the role) can have a notebook server: %s"
            % "; ".join([*mistakes.values(), *problems.values()]),
            "Create the account with a home and a shell, make the directory service answer, or remove it from the list",
        )
    standing = [account for name, account in found.items() if name not in planned]
    return Found(found, {**problems, **_without_home(standing)})


def _without_home(accounts: Iterable[Account]) -> dict[str, str]:
    """Return the accounts that can't enter their home, and why; each looks itself, since root may see another thing."""
    entries = [pwd.getpwnam(account.name) for account in accounts]
    answers = as_user.call_each(
        [(entry, functools.partial(_look_at_home, entry.pw_dir)) for entry in entries],
        seconds=_HOME_SECONDS,
        total_seconds=_ALL_HOMES_SECONDS,
        most_bytes=4096,
    )
    problems = (answer.reason if isinstance(answer, as_user.Failed) else answer for answer in answers)
    return {entry.pw_name: str(answer) for entry, answer in zip(entries, problems) if answer}


def _look_at_home(home: str) -> str:
    """Return what is wrong with the home of the user that runs this; empty when it can be used."""
    if not os.path.isdir(home):
        return "the home %s is not a directory" % home
    return "" if os.access(home, os.R_OK | os.X_OK) else "the home %s can't be entered" % home


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    return Account(entry.pw_name, entry.pw_dir, entry.pw_shell, entry.pw_uid, entry.pw_gid)
