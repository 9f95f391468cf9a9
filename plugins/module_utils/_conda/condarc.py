# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""conda's configuration files on a node: where conda looks for them, what they hold, and one that is replaced.

What belongs to a user, wherever it is, is read and written with that user's rights and no more, and within limits.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pwd
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_user, kept_files, made, remains, user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.accounts import account, local_users, owner
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import ABSENT, Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked

SYSTEM = ("/etc/conda", "/var/lib/conda")
DROP_IN = "/etc/conda/condarc.d/evenkeel.yml"
#: How large a file may be, how many there may be in a folder, and how long what a user, and all users, have is as JSON.
LARGEST = 64 << 10
MOST_FILES = 50
MOST_OF_USER = 128 << 10
MOST_OF_ALL = 2 << 20
#: How long one user's files, and those of all, may take.
SECONDS = 10.0
TOTAL_SECONDS = 60.0

#: The action takes the same.
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "settings": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["merged", "exact", "absent"], "default": "merged"},
    "remove": {"type": "list", "elements": "str", "default": []},
    "final": {"type": "list", "elements": "str", "default": []},
    "scope": {"type": "str", "choices": ["system", "distribution", "user", "environment"], "default": "system"},
    "path": {"type": "path"},
    "distribution": {"type": "path", "default": "/opt/miniconda3"},
    "prefix": {"type": "path"},
    "user": {"type": "str"},
    "users": {"type": "list", "elements": "str"},
    "conda_version": {"type": "str", "default": ""},
    "allow_unknown": {"type": "list", "elements": "str", "default": []},
    "backup": {"type": "bool", "default": False},
}
#: Files that the settings name, for the node to look for; or what to write, in place of what has this SHA-256.
FROM_ACTION: dict[str, Any] = {
    "needed_files": {"type": "list", "elements": "path", "default": []},
    "write": {
        "type": "dict",
        "options": {
            "text": {"type": "str"},
            "before": {"type": "str", "default": ""},
            "mode": {"type": "int", "default": 0o644},
            "backup": {"type": "bool", "default": False},
        },
    },
}
RULES: dict[str, Any] = {"required_if": [("scope", "user", ["user"]), ("scope", "environment", ["prefix"])]}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read what the action needs to plan, or write what it has planned."""
    return _written(params) if params["write"] else _asked_for(params)


def _asked_for(params: dict[str, Any]) -> dict[str, Any]:
    own = [params["user"]] if params["scope"] == "user" else []
    users = own or (local_users() if params["users"] is None else params["users"])
    found = read(params, users, target(params))
    missing = [path for path in params["needed_files"] if not os.path.exists(path)]
    return {"changed": False, "found": {**found, "users": users, "missing": missing}}


def _written(params: dict[str, Any]) -> dict[str, Any]:
    path, write = target(params), params["write"]
    if params["scope"] in ("distribution", "environment") and not params["path"]:
        require_environment(os.path.dirname(path))
    user = params["user"] if params["scope"] == "user" else None
    if write["text"] is None and params["scope"] == "system":
        return _removed(path, write)
    file = Thing("file", path, "sha256:" + write["before"] if write["before"] else ABSENT)
    _record([file] if write["text"] is not None else [], [file] if write["text"] is None else [])
    kept = replace(path, write["text"], write["before"], write["mode"], user, write["backup"])
    if kept:
        _record([Thing("backup", kept)])
    return {"changed": True, **({"backup_file": kept} if kept else {})}


def _removed(path: str, write: dict[str, Any]) -> dict[str, Any]:
    """Remove a file of the system's, or put back what was there before Evenkeel's first."""
    backups = sorted(thing.name for thing in made.read("condarc") if thing.kind == "backup")
    former = next((name for name in backups if name.startswith("%s." % path) and os.path.isfile(name)), "")
    text = kept_files.text(former) if former else None
    mode = 0o644 if text is None or masked(text) == text else 0o600
    replace(path, text, write["before"], mode, None, backup=False)
    if former:
        os.unlink(former)
    _record([], [Thing("file", path), Thing("backup", former)])
    for folder in (os.path.dirname(DROP_IN), SYSTEM[0]):
        if path.startswith("%s/" % folder):
            remains.prune(folder)
    return {"changed": True}


def _record(files: Sequence[Thing], gone: Sequence[Thing] = ()) -> None:
    """Record files that are not plainly ours; without root the module makes none but its user's."""
    if os.geteuid() == 0:
        theirs = [[file for file in some if OUR_NAME not in file.name] for some in (files, gone)]
        made.note("condarc", *theirs)


@dataclass(frozen=True)
class Found:
    """A file of conda's search path."""

    path: str
    #: ``system``, ``distribution``, ``user`` or ``environment``.
    scope: str
    user: str = ""
    exists: bool = False
    text: str = ""
    #: Why the text is not known.
    problem: str = ""
    mode: int = 0
    #: What the path is a symbolic link to.
    link: str = ""


def target(params: dict[str, Any]) -> str:
    """Return the path of the file that the options name."""
    if params["path"]:
        return str(params["path"])
    if params["scope"] == "system":
        return DROP_IN
    if params["scope"] == "user":
        return os.path.join(account(params["user"]).pw_dir, ".condarc")
    return os.path.join(params["prefix" if params["scope"] == "environment" else "distribution"], ".condarc")


def read(params: dict[str, Any], users: Sequence[str], path: str = "") -> dict[str, Any]:
    """Return what a node has of conda's configuration.

    Parameters
    ----------
    params
        The module's options.
    users
        Whose files count beside those of the system, the distribution and the environment.
    path
        A file to include even when it is not there.
    """
    distribution, prefix = params["distribution"], params["prefix"]
    places = [("system", place) for place in SYSTEM] + [("distribution", distribution)]
    if prefix and os.path.realpath(prefix) != os.path.realpath(distribution):
        places.append(("environment", prefix))
    files = [file for scope, place in places for file in _with_rights_of(owner(place), _in_place, scope, place, path)]
    of_users, problems = _of_users([account(user) for user in users], path)
    found: dict[str, Any] = {"conda": conda_version(distribution), "files": files + of_users, "problems": problems}
    if path:
        user = params["user"] if params["scope"] == "user" else None
        entry = account(user) if user else owner(path)
        found["target"] = _with_rights_of(entry, lambda: asdict(_read(path, params["scope"], user or "", _uid(entry))))
    return found


def replace(path: str, text: str | None, before: str, mode: int, user: str | None, backup: bool) -> str:
    """Replace a file in one rename, or remove it; return the path of its backup.

    Parameters
    ----------
    path
        The file.
    text
        What it is to hold; None removes it.
    before
        SHA-256 of what it held when this was decided; empty when it was not there.
    mode
        Its permissions.
    user
        Whose file it is, when it is a user's own; a link of that user's is followed.
    backup
        Whether to keep what it holds.
    """
    entry = account(user) if user else owner(path)
    return str(_with_rights_of(entry, _replace, path, text, before, mode, _uid(entry), backup, user is not None))


def digest(found: Found) -> str:
    """Return a digest of the content; empty when there is no file."""
    return hashlib.sha256(found.text.encode()).hexdigest() if found.exists else ""


def require_environment(prefix: str) -> None:
    """Refuse a directory that is not a conda environment; its file would stay without effect."""
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise EvenkeelError(
            "%s is not a conda environment" % prefix, "Name another prefix, or make the environment first"
        )


def conda_version(distribution: str) -> str:
    """Return the version of a distribution's conda without starting it; empty where there is none."""
    place = os.path.join(distribution, "conda-meta")
    names = os.listdir(place) if os.path.isdir(place) else []
    found = [
        match.group(1) for match in (re.fullmatch(r"conda-(\d[^-]*)-[^-]+\.json", name) for name in names) if match
    ]
    return found[0] if found else ""


def _with_rights_of(entry: pwd.struct_passwd | None, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with an account's rights, where it is not the module's own."""
    called = functools.partial(function, *arguments)
    if entry is None:
        return called()
    return as_user.call(entry, called, seconds=SECONDS, most_bytes=MOST_OF_USER, umask=0o022)


def _uid(entry: pwd.struct_passwd | None) -> int | None:
    return None if entry is None else entry.pw_uid


def _of_users(entries: Sequence[pwd.struct_passwd], path: str) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Return the users' files, and of each user what kept them from being read."""
    jobs = [(entry, functools.partial(_in_home, entry, path)) for entry in entries]
    answers = as_user.call_each(jobs, seconds=SECONDS, most_bytes=MOST_OF_USER, total_seconds=TOTAL_SECONDS)
    files: list[dict[str, Any]] = []
    problems: dict[str, list[str]] = {}
    size = 0
    for entry, answer in zip(entries, answers):
        if isinstance(answer, as_user.Failed):
            problems[entry.pw_name] = [answer.reason]
            continue
        more = len(json.dumps(answer)) if answer else 0
        if size + more > MOST_OF_ALL:
            problems[entry.pw_name] = [
                "conda's files below %s were left out: with those of other users they are larger than %d MiB"
                % (entry.pw_dir, MOST_OF_ALL >> 20)
            ]
            continue
        size += more
        files += answer
    return files, problems


def _in_home(entry: pwd.struct_passwd, path: str) -> list[dict[str, Any]]:
    """Return a user's own files, the lowest precedence first."""
    home, user, uid = entry.pw_dir, entry.pw_name, entry.pw_uid
    places = [os.path.join(home, ".config", "conda"), os.path.join(home, ".conda")]
    files = [file for place in places for file in _in_place("user", place, path, user, uid)]
    own = _read(os.path.join(home, ".condarc"), "user", user, uid)
    return files + ([asdict(own)] if own.exists or own.path == path else [])


def _in_place(scope: str, place: str, path: str, user: str = "", uid: int | None = None) -> list[dict[str, Any]]:
    """Return the files that conda would read in a place, the lowest precedence first.

    Parameters
    ----------
    path
        A file to return even when it is not there, where conda looks.
    """
    folder = os.path.join(place, "condarc.d")
    files = [_read(os.path.join(place, name), scope, user, uid) for name in (".condarc", "condarc")]
    try:
        names = [name for name in user_files.names(folder) if name.endswith((".yml", ".yaml"))]
        if len(names) > MOST_FILES:
            raise user_files.Refused(folder, "holds more than %d configuration files" % MOST_FILES)
    except user_files.Refused as error:
        names = []
        files.append(Found(folder, scope, user, exists=True, problem=error.reason))
    if os.path.dirname(path) == folder:
        names = sorted({*names, os.path.basename(path)})
    files += [_read(os.path.join(folder, name), scope, user, uid) for name in names]
    return [asdict(file) for file in files if file.exists or file.path == path]


def _read(path: str, scope: str, user: str = "", uid: int | None = None) -> Found:
    link = os.readlink(path) if os.path.islink(path) else ""
    try:
        content = user_files.read(path, uid, LARGEST)
    except user_files.Refused as error:
        return Found(path, scope, user, exists=True, problem=error.reason, link=link)
    if content is None:
        return Found(path, scope, user, link=link)
    try:
        text, problem = content.data.decode(), ""
    except UnicodeDecodeError:
        text, problem = "", "is not text in UTF-8"
    return Found(path, scope, user, True, text, problem, content.mode, link)


def _replace(path: str, text: str | None, before: str, mode: int, uid: int | None, backup: bool, follow: bool) -> str:
    """Do what ``replace`` says, with the rights that the process has."""
    path = os.path.realpath(path) if follow else path
    try:
        found = _read(path, "", uid=uid)
        if found.problem or digest(found) != before:
            raise EvenkeelError("%s was changed by another program in the meantime" % path, "Run this again")
        kept = _keep(path, found.text) if backup and found.exists else ""
        if text is None:
            os.unlink(path)
            return kept
        status = os.stat(path) if found.exists else None
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        write_atomically(path, text, mode)
        if status is not None and os.geteuid() == 0:
            os.chown(path, status.st_uid, status.st_gid)
    except OSError as error:
        raise EvenkeelError(
            "%s could not be written: %s" % (path, error.strerror), "Check that its directory can be written to"
        ) from error
    return kept


def _keep(path: str, text: str) -> str:
    """Keep a copy that conda does not read and nobody but the owner can."""
    kept = "%s.%s.%d~" % (path, time.strftime("%Y-%m-%d@%H.%M.%S"), os.getpid())
    write_atomically(kept, text, 0o600)
    return kept
