# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""conda's configuration files on a node: where conda looks for them, what they hold, and one that is replaced."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._accounts import account, acting_as
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import write_atomically

SYSTEM = ("/etc/conda", "/var/lib/conda")
DROP_IN = "/etc/conda/condarc.d/evenkeel.yml"
LARGEST = 1 << 20

#: The options of the module condarc; its action takes the same.
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
    "needed_files": {"type": "list", "elements": "path", "default": []},
    "write": {
        "type": "dict",
        "options": {
            "text": {"type": "str", "no_log": True},
            "before": {"type": "str", "default": ""},
            "mode": {"type": "int", "default": 0o644},
            "backup": {"type": "bool", "default": False},
        },
    },
}
REQUIRED_IF = [("scope", "user", ["user"]), ("scope", "environment", ["prefix"])]
INFO_ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "keys": {"type": "list", "elements": "str", "default": []},
    "user": {"type": "str"},
    "prefix": {"type": "path"},
    "distribution": {"type": "path", "default": "/opt/miniconda3"},
}


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


def read(params: dict[str, Any], users: Iterable[str], path: str = "") -> dict[str, Any]:
    """Return what a node has of conda's configuration.

    Parameters
    ----------
    params
        The module's options.
    users
        Whose files count beside those of the system, the distribution and the environment.
    path
        A file to tell of even when it is not there.
    """
    owner = params["user"] if params.get("scope") == "user" else None
    files = [
        _read(candidate, scope)
        for scope, candidate in _search_path(params["distribution"], None, params["prefix"], path)
    ]
    for user in users:
        home = account(user).pw_dir
        with acting_as(user):
            files += [_read(candidate, scope, user) for scope, candidate in _search_path(None, home, None, path)]
    found: dict[str, Any] = {
        "conda": conda_version(params["distribution"]),
        "files": [asdict(file) for file in files if file.exists or file.path == path],
    }
    if path:
        with acting_as(owner):
            found["target"] = asdict(_read(path, params["scope"], owner or ""))
    return found


def replace(path: str, text: str | None, before: str, mode: int, user: str | None, backup: bool) -> str:
    """Replace a file in one rename, or remove it; return the path of its backup.

    Parameters
    ----------
    path
        The file.
    text
        What it shall hold; None removes it.
    before
        SHA-256 of what it held when this was decided; empty when it was not there.
    mode
        Its permissions.
    user
        Whose file it is, when it is a person's own; only what that user may write is written then.
    backup
        Whether to keep what it holds.
    """
    os.umask(0o022)
    try:
        with acting_as(user):
            path = os.path.realpath(path) if user else path
            found = _read(path, "")
            if found.problem or digest(found) != before:
                raise EvenkeelError("%s was changed by somebody else meanwhile" % path, "Run this again")
            kept = _keep(path, found.text) if backup and found.exists else ""
            if text is None:
                os.unlink(path)
            else:
                owner = os.stat(path) if found.exists else None
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                write_atomically(path, text, mode)
                if owner is not None and os.geteuid() == 0:
                    os.chown(path, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise EvenkeelError(
            "%s could not be written%s: %s" % (path, " by %s" % user if user else "", error.strerror),
            "Check that its directory can be written to",
        ) from error
    return kept


def digest(found: Found) -> str:
    """Return what tells two contents of a file apart."""
    return hashlib.sha256(found.text.encode()).hexdigest() if found.exists else ""


def require_environment(prefix: str) -> None:
    """Refuse a directory that is no conda environment; its file would stay without effect."""
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise EvenkeelError("%s is no conda environment" % prefix, "Correct the path, or make the environment first")


def conda_version(distribution: str) -> str:
    """Return the version of a distribution's conda without starting it; empty where there is none."""
    place = os.path.join(distribution, "conda-meta")
    names = os.listdir(place) if os.path.isdir(place) else []
    found = [
        match.group(1) for match in (re.fullmatch(r"conda-(\d[^-]*)-[^-]+\.json", name) for name in names) if match
    ]
    return found[0] if found else ""


def _search_path(
    distribution: str | None, home: str | None, prefix: str | None, path: str
) -> Iterator[tuple[str, str]]:
    """Yield scope and path of the files that conda would read, the lowest precedence first.

    Parameters
    ----------
    distribution
        Its prefix; None leaves out what is the same for every user.
    home
        A user's; None leaves out what is the user's own.
    prefix
        An environment's.
    path
        A file to name even when it is not there, where conda looks.
    """
    places = []
    if distribution is not None:
        places += [("system", place) for place in SYSTEM] + [("distribution", distribution)]
    if home is not None:
        places += [("user", os.path.join(home, ".config", "conda")), ("user", os.path.join(home, ".conda"))]
    for scope, place in places:
        for file in _within(place, path):
            yield scope, file
    if home is not None:
        yield "user", os.path.join(home, ".condarc")
    if prefix and os.path.realpath(prefix) != os.path.realpath(distribution or ""):
        for file in _within(prefix, path):
            yield "environment", file


def _within(place: str, path: str) -> Iterator[str]:
    yield os.path.join(place, ".condarc")
    yield os.path.join(place, "condarc")
    folder = os.path.join(place, "condarc.d")
    names = set(os.listdir(folder)) if os.access(folder, os.R_OK | os.X_OK) and os.path.isdir(folder) else set()
    if os.path.dirname(path) == folder:
        names.add(os.path.basename(path))
    for name in sorted(names):
        if name.endswith((".yml", ".yaml")):
            yield os.path.join(folder, name)


def _read(path: str, scope: str, user: str = "") -> Found:
    link = os.readlink(path) if os.path.islink(path) else ""
    try:
        # Neither a pipe nor a device of somebody else's making holds the module up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Found(path, scope, user, link=link)
    except OSError as error:
        problem = str(error.strerror)
        return Found(path, scope, user, exists=os.path.lexists(path), problem=problem, link=link)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return Found(path, scope, user, exists=True, problem="is no ordinary file", link=link)
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(LARGEST + 1)
    mode, problem, text = stat.S_IMODE(status.st_mode), "", ""
    if len(content) > LARGEST:
        problem = "is larger than any configuration of conda"
    else:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            problem = "is no text in UTF-8"
    return Found(path, scope, user, True, text, problem, mode, link)


def _keep(path: str, text: str) -> str:
    """Keep a copy that conda does not read and nobody but the owner can."""
    kept = "%s.%s.%d~" % (path, time.strftime("%Y-%m-%d@%H.%M.%S"), os.getpid())
    write_atomically(kept, text, 0o600)
    return kept
