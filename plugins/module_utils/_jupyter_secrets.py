# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The file with a notebook server's token: read, plan, apply."""

from __future__ import annotations

import os
import re
import secrets
import stat
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

MODE = 0o600

# The id of a user that is created before this in a real run; a rehearsal comes before.
NOT_YET = -1

# Jupyter takes the file's content as it is, a newline at its end included, so the token can't hold one.
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class State:
    """The file as it is."""

    token: str
    owner: int
    mode: int


@dataclass(frozen=True)
class Plan:
    """What differs, as words; ``new_token`` when the file is written anew."""

    new_token: str | None
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after


def check(token: str | None) -> None:
    """Require a token that Jupyter can be given.

    Raises
    ------
    EvenkeelError
        It is empty, which would turn authentication off, or holds what can't be sent.
    """
    if token is not None and not _TOKEN.fullmatch(token):
        raise EvenkeelError(
            "The token is empty, or holds white space or characters outside ASCII",
            "Give a long random one, or none to have one made on the node",
        )


def read(path: str) -> State | None:
    """Return the state of the file, or None when there is none.

    Raises
    ------
    EvenkeelError
        Something else than a file is there.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise EvenkeelError("%s is not a regular file" % path, "Remove it, or name another path")
    with open(path, encoding="ascii", errors="replace") as stream:
        return State(stream.read(), status.st_uid, stat.S_IMODE(status.st_mode))


def plan(current: State | None, token: str | None, owner: int) -> Plan:
    """Compare the file with what it shall be; any valid token will do when ``token`` is None."""
    if current is None:
        return Plan(token or secrets.token_urlsafe(32), before=(), after=("a token", "mode 0600"))
    kept = current.token == token if token is not None else bool(_TOKEN.fullmatch(current.token))
    return Plan(
        new_token=None if kept else token or secrets.token_urlsafe(32),
        before=("a token", "owner %d" % current.owner, "mode %04o" % current.mode),
        after=(
            "a token" if kept else "another token",
            "owner %d" % owner,
            "mode %04o" % MODE,
        ),
    )


def apply(todo: Plan, path: str, owner: int) -> None:
    """Do what the plan says. Nobody else can read the token at any moment."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if todo.new_token is None:
        os.chmod(path, MODE)
        os.chown(path, owner, -1)
        return
    fresh = path + ".new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, MODE)
    with os.fdopen(descriptor, "w") as stream:
        os.fchmod(descriptor, MODE)
        os.fchown(descriptor, owner, -1)
        stream.write(todo.new_token)
        stream.flush()
        os.fsync(descriptor)
    os.rename(fresh, path)
