# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module service_account: an account of a node's own that a service runs as.

None is renamed or moved. One that the module has created is removed on request, but never its home, and not while
somebody's files are in that: the next account to get its number would own them.
"""

from __future__ import annotations

import filecmp
import grp
import os
import pwd
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts, command, made, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "group": {"type": "str"},
    "home": {"type": "path"},
    "shell": {"type": "path", "default": "/bin/bash"},
    "system": {"type": "bool", "default": True},
    "umask": {"type": "str", "default": "0077"},
}
RULES: dict[str, Any] = {"required_if": [("state", "present", ("home",))]}

#: What useradd of every distribution takes, or refuses with a line of its own.
_NAME = re.compile(r"(?!\d+\Z)[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}\$?")
#: A line of /etc/passwd has fields with colons between them.
_PATH = re.compile(r"/[^:\x00-\x1f\x7f]*")
_UMASK = re.compile(r"[0-7]{3,4}")
_SKELETON = "/etc/skel"
#: By which its record is known.
MODULE = "service_account"


@dataclass(frozen=True)
class Wish:
    """What the account has to be.

    Parameters
    ----------
    gid
        Of its primary group; None leaves the choice to useradd, or the one that it has.
    system
        Whether a new one gets an id of the system's range.
    umask
        Of a new home, in octal digits.
    """

    name: str
    home: str
    shell: str
    gid: int | None
    system: bool
    umask: str


@dataclass(frozen=True)
class Account:
    """An account as the node knows it."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True)
class State:
    """What the node has.

    Parameters
    ----------
    account
        None where the node knows none of that name.
    local
        Whether it is in ``/etc/passwd``, which alone can be changed.
    has_home
        Whether there is something at the wished home.
    namesake
        Whether there is a group of the account's name.
    process
        A process of the account's, for messages; empty where none runs.
    """

    account: Account | None = None
    local: bool = False
    has_home: bool = False
    namesake: bool = False
    process: str = ""


@dataclass(frozen=True)
class Plan:
    """The command that makes or changes the account, empty for none, and whether its home is to be made after that."""

    name: str
    command: tuple[str, ...] = ()
    create: bool = False
    make_home: bool = False
    before: str = ""
    after: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.command or self.make_home)

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        header = "account %s" % self.name
        return {"before_header": header, "after_header": header, "before": self.before, "after": self.after}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the account to the declared state, or return what that would change."""
    if params["state"] == "absent":
        return remove(params["name"], check_mode)
    wish = desired(params)
    todo = plan(wish, read(wish))
    if todo.changed and not check_mode:
        apply(todo, wish)
    return {"changed": todo.changed, "diff": [todo.diff()] if todo.changed else []}


def remove(name: str, check_mode: bool) -> dict[str, Any]:
    """Have no such account where the module has created it, and its home where nobody has put anything into it."""
    created = Thing("user", name)
    account = _account(name)
    if created not in made.read(MODULE):
        return {"changed": False, "diff": [], "left": []}
    # What runs as it ends in a real run before this.
    running = _process_of(account.uid) if account is not None and not check_mode else ""
    stays = why_it_stays(account, running) if account is not None else ""
    if not check_mode and not stays:
        if account is not None:
            _remove(account)
        made.note(MODULE, [], [created])
    # To forget one that somebody has removed is a change, too: a record keeps the directory that it is in.
    before = _words(account.home, account.shell, account.gid) if account is not None else "a record of it\n"
    diff = Plan(name, before=before).diff()
    return {
        "changed": not stays,
        "diff": [] if stays else [diff],
        "left": ["the account %s: %s" % (name, stays)] if stays else [],
    }


def why_it_stays(account: Account, process: str) -> str:
    """Return why an account can't be removed; empty where it can.

    Parameters
    ----------
    process
        A process of the account's; empty where none runs.
    """
    if not accounts.is_local(account.name):
        return "a directory service has it, not /etc/passwd"
    if process:
        return "%s runs" % process
    found = _filled(account.home)
    return "files are in its home %s, such as %s" % (account.home, found) if found else ""


def _filled(home: str) -> str:
    """Return something in a home that was not there when it was made; empty where there is nothing."""
    for folder, folders, files in os.walk(home):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for path in sorted(os.path.join(folder, name) for name in (*files, *links)):
            if not _is_of_skeleton(path, home):
                return path
    return ""


def _is_of_skeleton(path: str, home: str) -> bool:
    model = os.path.join(_SKELETON, os.path.relpath(path, home))
    try:
        return not os.path.islink(path) and filecmp.cmp(path, model, shallow=False)
    except OSError:
        return False


def _remove(account: Account) -> None:
    """Remove an account, with the group of its own and a home of its own in which nothing is."""
    if os.path.isdir(account.home) and os.lstat(account.home).st_uid == account.uid:
        for folder, _folders, files in os.walk(account.home):
            for name in files:
                os.unlink(os.path.join(folder, name))
        remains.clear(account.home)
    command.require(["userdel", account.name], "See what it says, and run again")


def desired(params: dict[str, Any]) -> Wish:
    """Return what the options ask for.

    Raises
    ------
    EvenkeelError
        An option has another form, or there is no such group.
    """
    for name, form in (("home", _PATH), ("shell", _PATH), ("umask", _UMASK)):
        if not form.fullmatch(params[name]):
            example = "0077" if name == "umask" else "an absolute path without a colon"
            raise EvenkeelError("%s of %s is %r" % (name, params["name"], params[name]), "Give %s" % example)
    return Wish(
        name=params["name"],
        home=params["home"],
        shell=params["shell"],
        gid=None if params["group"] is None else group_id(params["group"]),
        system=params["system"],
        umask=params["umask"],
    )


def group_id(group: str) -> int:
    """Return the id of a group, which may be given by its id.

    Raises
    ------
    EvenkeelError
        There is none.
    """
    try:
        return grp.getgrgid(int(group)).gr_gid
    except (ValueError, KeyError, OverflowError):
        pass
    try:
        return grp.getgrnam(group).gr_gid
    except (ValueError, KeyError):
        raise EvenkeelError("The node has no group %s" % group, "Create it first, or name another group") from None


def read(wish: Wish) -> State:
    """Look at the node."""
    account = _account(wish.name)
    try:
        namesake = bool(grp.getgrnam(wish.name))
    except (ValueError, KeyError):
        namesake = False
    moves = account is not None and account.home != wish.home
    return State(
        account=account,
        local=account is not None and accounts.is_local(account.name),
        has_home=os.path.exists(wish.home),
        namesake=namesake,
        process=_process_of(account.uid) if account is not None and moves else "",
    )


def plan(wish: Wish, state: State) -> Plan:
    """Compare the account with the wanted one.

    Raises
    ------
    EvenkeelError
        It can't be made or changed.
    """
    if state.account is None:
        return _creation(wish, state)
    if state.account.uid == 0:
        raise EvenkeelError("The account %s is root" % wish.name, "Name an ordinary account")
    return _correction(wish, state, state.account)


def _creation(wish: Wish, state: State) -> Plan:
    if not _NAME.fullmatch(wish.name):
        raise EvenkeelError(
            "%r can't be the name of an account" % wish.name,
            "Use at most 32 letters, digits, '_', '-' and '.', and begin with a letter or '_'",
        )
    options = ["--create-home", "--home-dir", wish.home, "--shell", wish.shell, "--key", "UMASK=%s" % wish.umask]
    if wish.system:
        options.append("--system")
    if wish.gid is not None:
        options += ["--gid", str(wish.gid)]
    elif state.namesake:
        # Without this, useradd would make a group of that name too, and fail.
        options.append("--no-user-group")
    after = _words(wish.home, wish.shell, wish.gid)
    return Plan(wish.name, ("useradd", *options, wish.name), create=True, after=after)


def _correction(wish: Wish, state: State, account: Account) -> Plan:
    gid = account.gid if wish.gid is None else wish.gid
    options: list[str] = []
    if gid != account.gid:
        options += ["--gid", str(gid)]
    if wish.home != account.home:
        options += ["--home", wish.home]
    if wish.shell != account.shell:
        options += ["--shell", wish.shell]
    before = _words(account.home, account.shell, account.gid)
    after = _words(wish.home, wish.shell, gid)
    if options and not state.local:
        raise EvenkeelError(
            "The account %s is not as declared, and a directory service has it, not /etc/passwd: %s instead of %s"
            % (wish.name, _in_one_line(before), _in_one_line(after)),
            "Change it in the directory service, or declare it as it is there",
        )
    if wish.home != account.home and state.process:
        raise EvenkeelError(
            "The home of %s can't be changed from %s to %s while %s runs"
            % (wish.name, account.home, wish.home, state.process),
            "Stop it first, for example with `systemctl stop` of its unit",
        )
    argv = ("usermod", *options, account.name) if options else ()
    after += "" if state.has_home else "there is the home\n"
    return Plan(wish.name, argv, make_home=not state.has_home, before=before, after=after)


def apply(todo: Plan, wish: Wish) -> None:
    """Carry out the plan.

    Raises
    ------
    EvenkeelError
        useradd or usermod refuses it.
    """
    if todo.create:
        made.note(MODULE, [Thing("user", todo.name)])
        os.makedirs(os.path.dirname(wish.home), mode=0o755, exist_ok=True)
    if todo.command:
        command.require(todo.command, "Correct the account's name, home, shell or group, or the node's /etc/login.defs")
    account = _account(todo.name) if todo.make_home else None
    if account is not None:
        _make_home(account, wish)


def _make_home(account: Account, wish: Wish) -> None:
    """Make a home as useradd does; it is the account's only when it is complete."""
    os.makedirs(os.path.dirname(wish.home), mode=0o755, exist_ok=True)
    os.mkdir(wish.home, 0o700)
    if os.path.isdir(_SKELETON):
        shutil.copytree(_SKELETON, wish.home, symlinks=True, dirs_exist_ok=True)
    for folder, folders, files in os.walk(wish.home):
        for name in (*folders, *files):
            os.chown(os.path.join(folder, name), account.uid, account.gid, follow_symlinks=False)
    os.chmod(wish.home, 0o777 & ~int(wish.umask, 8))
    os.chown(wish.home, account.uid, account.gid)


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except (ValueError, KeyError):
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_shell)


def _process_of(uid: int, proc: str = "/proc") -> str:
    """Return a process of an account, for which usermod refuses to change the home; empty where none runs."""
    for pid in sorted(map(int, filter(str.isdigit, os.listdir(proc)))):
        try:
            with open(os.path.join(proc, str(pid), "status"), encoding="utf-8", errors="replace") as stream:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
        except OSError:  # it has ended
            continue
        if str(uid) in fields.get("Uid", "").split():
            return "its process %d (%s)" % (pid, fields.get("Name", ""))
    return ""


def _words(home: str, shell: str, gid: int | None) -> str:
    lines: Sequence[str] = ["home %s" % home, "shell %s" % shell]
    return "".join("%s\n" % line for line in [*lines, *(["group %s" % _group(gid)] if gid is not None else [])])


def _in_one_line(words: str) -> str:
    return ", ".join(words.splitlines())


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
