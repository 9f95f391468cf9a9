# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Paths of former installations, as links to the one in use for as long as shells' start-up files name them.

``conda init`` writes the installation's own path into a user's start-up files, whatever link ``conda`` was called by,
so that shells would lose conda when that installation goes.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_user, user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.accounts import account, local_users
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import link_atomically

#: What ``conda init`` of 26.7.1 writes to, below a user's home and, with ``--system``, for all
#: (``conda/core/initialize.py``), and what people put its lines into.
OF_USERS = (
    *(".bashrc", ".bash_profile", ".bash_login", ".profile", ".zshrc", ".zprofile", ".zshenv", ".zlogin", ".kshrc"),
    *(".tcshrc", ".cshrc", ".xonshrc", ".config/xonsh/rc.xsh", ".config/fish/config.fish"),
    ".config/powershell/profile.ps1",
)
OF_ALL = (
    *("/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zshrc", "/etc/zsh/zshrc", "/etc/zsh/zprofile"),
    *("/etc/zsh/zshenv", "/etc/csh.cshrc", "/etc/csh.login", "/etc/fish/config.fish", "/etc/environment"),
)
FOLDERS_OF_ALL = ("/etc/profile.d", "/etc/fish/conf.d")
#: Where it stands which services know accounts that are not in the node's own file.
SERVICES = "/etc/nsswitch.conf"
_OWN_SERVICES = {"files", "compat", "systemd", "altfiles", "extrausers", "mymachines"}
_LARGEST = 1 << 20
_MOST_BYTES = 64 << 10
#: How long the homes may take, one and all of them.
_SECONDS = 10.0
_TOTAL_SECONDS = 60.0


@dataclass(frozen=True)
class Named:
    """Which paths of installations start-up files name."""

    #: Path to files.
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Whether all were read that there are; where not, any path may be named.
    complete: bool = True


@dataclass(frozen=True)
class Plan:
    """Links to make, or to turn, and to remove."""

    link: tuple[str, ...] = ()
    target: str = ""
    unlink: tuple[str, ...] = ()
    #: Of all links that are there afterwards, the files that name them.
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.link or self.unlink)

    @property
    def lines(self) -> tuple[str, ...]:
        """What changes, one line each."""
        named = ["~ %s -> %s%s" % (path, self.target, _by(self.files.get(path, ()))) for path in self.link]
        return (*named, *("- %s" % path for path in self.unlink))


def _by(files: tuple[str, ...]) -> str:
    more = " and %d more" % (len(files) - 1) if len(files) > 1 else ""
    return ", named by %s%s" % (files[0], more) if files else ""


def links(store: str, home: str) -> dict[str, str]:
    """Return the links among a store's installations, path to target.

    Parameters
    ----------
    home
        A regular expression that matches the names of installations.
    """
    names = sorted(os.listdir(store)) if os.path.isdir(store) else []
    paths = (os.path.join(store, name) for name in names if re.fullmatch(home, name))
    return {path: os.readlink(path) for path in paths if os.path.islink(path)}


def named(store: str, home: str) -> Named:
    """Return which installations of a store the start-up files of this node's own users, and of all, name.

    Homes may hang, and what is in them may be anything: each is looked at with its user's rights, within limits.
    """
    pattern = r"(?:%s)/(?:%s)(?![\w.-])" % (re.escape(store), home)
    complete = not _has_other_users()
    files: dict[str, list[str]] = {}
    for path, found in _in_files(_of_all(), pattern, None)["named"]:
        files.setdefault(path, []).append(found)
    entries = [account(name) for name in local_users()]
    jobs = [(entry, functools.partial(_in_home, entry, pattern)) for entry in entries]
    answers = as_user.call_each(jobs, seconds=_SECONDS, most_bytes=_MOST_BYTES, total_seconds=_TOTAL_SECONDS)
    for answer in answers:
        if isinstance(answer, as_user.Failed):
            complete = False
            continue
        complete = complete and answer["complete"]
        for path, found in answer["named"]:
            files.setdefault(path, []).append(found)
    return Named({path: tuple(sorted(files[path])) for path in sorted(files)}, complete)


def _has_other_users() -> bool:
    """Whether a directory service knows users, whose homes nobody may list."""
    try:
        with open(SERVICES, encoding="utf-8", errors="replace") as stream:
            lines = [line.partition("#")[0].split() for line in stream]
    except OSError:
        return False
    services = {service for line in lines if line[:1] == ["passwd:"] for service in line[1:]}
    return any(service[0] != "[" and service not in _OWN_SERVICES for service in services)


def _of_all() -> list[str]:
    found = list(OF_ALL)
    for folder in FOLDERS_OF_ALL:
        if os.path.isdir(folder):
            found += [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    return found


def _in_home(entry: pwd.struct_passwd, pattern: str) -> dict[str, Any]:
    return _in_files([os.path.join(entry.pw_dir, name) for name in OF_USERS], pattern, entry.pw_uid)


def _in_files(paths: Iterable[str], pattern: str, uid: int | None) -> dict[str, Any]:
    """Return the installations that files name, each with the file, and whether all of the files were read."""
    found, complete = [], True
    for path in paths:
        try:
            content = user_files.read(path, uid, _LARGEST)
        except user_files.Refused:
            complete = False
            continue
        if content:
            found += [(one, path) for one in sorted(set(re.findall(pattern, content.text)))]
    return {"named": found, "complete": complete}


def plan(found: Mapping[str, str], going: Iterable[str], known: Named, target: str) -> Plan:
    """Decide; pure.

    Parameters
    ----------
    found
        The links that are there.
    going
        The installations that go.
    known
        What start-up files name.
    target
        Where links lead; empty where conda goes altogether.
    """
    candidates = {*found, *going} if target else set()
    wanted = sorted(path for path in candidates if path in known.files or not known.complete)
    return Plan(
        link=tuple(path for path in wanted if found.get(path) != target),
        target=target,
        unlink=tuple(sorted(path for path in found if path not in wanted)),
        files={path: known.files.get(path, ()) for path in wanted},
    )


def apply(plan: Plan) -> None:
    """Make and remove links, but for those in the place of installations that are still there; see ``leave``."""
    for path in plan.link:
        if os.path.islink(path) or not os.path.lexists(path):
            link_atomically(path, plan.target)
    for path in plan.unlink:
        os.unlink(path)


def leave(plan: Plan, path: str) -> None:
    """Make the link in the place of an installation that has just been moved away from it."""
    if path in plan.link:
        link_atomically(path, plan.target)
