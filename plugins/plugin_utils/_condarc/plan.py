# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What happens to one of conda's configuration files, and who defeats it."""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import difference, masked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc import file as condarc
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import (
    require_known,
    require_one_spelling,
    require_release,
    require_settings,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.merge import merged
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.precedence import File, overridden
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.secrets import has_secret

NAMES = (".condarc", "condarc")
SUFFIXES = (".yml", ".yaml")
#: Keys whose value names a file of the node; without it, conda stops or cannot speak TLS.
FILES = ("ssl_verify", "verify_ssl", "client_ssl_cert", "client_cert", "client_ssl_cert_key", "client_cert_key")


@dataclass(frozen=True)
class Desired:
    """What the file shall say."""

    #: ``merged``, ``exact`` or ``absent``.
    state: str
    settings: Mapping[str, Any]
    final: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    backup: bool = False


@dataclass(frozen=True)
class Plan:
    """What is written, and what a person wants to know."""

    path: str
    before: str
    #: None when the file is to be removed or stays away.
    after: str | None
    mode: int
    changed: bool
    backup: bool
    #: SHA-256 of what the plan was made from; empty when there was no file.
    digest: str
    #: Whether the file was somebody else's.
    foreign: bool = False

    @property
    def diff(self) -> dict[str, str]:
        """What changes, for people: without secrets."""
        return difference(self.path, self.before, self.after)


def plain(value: Any) -> Any:
    """Return a value of Ansible's as one that YAML can be written of."""
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return next((kind(value) for kind in (bool, int, float, str) if isinstance(value, kind)), value)


def check(arguments: Mapping[str, Any]) -> None:
    """Refuse options of the module that are wrong whatever the node has."""
    require_release(arguments["conda_version"])
    require_settings(arguments["settings"], arguments["allow_unknown"])
    if arguments["path"]:
        require_path(arguments["path"])
    if arguments["settings"].get("channels") == []:
        raise EvenkeelError("channels is empty, and conda has had no default since version 25.9", "Name at least one")
    if arguments["state"] == "absent" and arguments["settings"]:
        raise EvenkeelError("settings are given for a file that shall be absent", "Leave them out, or choose merged")
    if arguments["remove"] and arguments["state"] != "merged":
        raise EvenkeelError(
            f"remove is given with the state {arguments['state']}", "Leave it out; it is for the state merged"
        )
    for option in ("final", "remove"):
        wrong = [name for name in arguments[option] if (name in arguments["settings"]) != (option == "final")]
        if wrong:
            how = "is not among the settings" if option == "final" else "is among the settings too"
            raise EvenkeelError(f"{option} names {', '.join(wrong)}, which {how}", "Write it in one way")


def require_path(path: str) -> None:
    """Refuse a name that conda does not read, before any node is asked."""
    name = os.path.basename(path)
    if os.path.normpath("/" + path.lstrip("/")) != path or not (name in NAMES or name.endswith(SUFFIXES)):
        raise EvenkeelError(
            f"path is {path!r}; conda reads only files named .condarc, condarc, *.yml or *.yaml",
            "Write a normalised absolute path that ends in one of these",
        )


def needed_files(settings: Mapping[str, Any]) -> list[str]:
    """Return the files of the node that settings name."""
    values = [settings[name] for name in FILES if isinstance(settings.get(name), str)]
    return [value for value in values if value not in ("", "truststore") and not value.startswith(("$", "~"))]


def plan(found: Mapping[str, Any], desired: Desired) -> Plan:
    """Decide; pure.

    Parameters
    ----------
    found
        What the node has at the path.
    desired
        What it shall have; settings are spelled as the node's conda reads them.

    Raises
    ------
    EvenkeelError
        What is there must not be touched, or cannot be merged.
    """
    path, before = found["path"], found["text"]
    if found["link"] and found["scope"] != "user":
        raise EvenkeelError(
            f"{path} is a symbolic link to {found['link']}; it was left as it is", "Name the file itself, or remove it"
        )
    if found["problem"]:
        raise EvenkeelError(f"{path}: {found['problem']}; it was left as it is", "Move it away, or fix it")
    mode = found["mode"] if found["exists"] and desired.state == "merged" else 0o644
    mode = 0o600 if has_secret(dict(desired.settings)) else mode
    foreign = bool(before.strip()) and not condarc.is_ours(before)
    after = _after(path, before, foreign, desired)
    changed = found["exists"] if after is None else after != before or mode != found["mode"]
    if not found["exists"] and not after:
        changed = False
    keep = desired.backup or (desired.state == "exact" and foreign)
    digest = hashlib.sha256(before.encode()).hexdigest() if found["exists"] else ""
    return Plan(path, before, after, mode, changed, changed and keep and found["exists"], digest, foreign)


def _after(path: str, before: str, foreign: bool, desired: Desired) -> str | None:
    if desired.state == "absent":
        if foreign:
            raise EvenkeelError(
                f"{path} is not Evenkeel's; it was left as it is", "Remove single keys with remove, or the file by hand"
            )
        return None
    if desired.state == "exact":
        return condarc.exact(desired.settings, desired.final)
    names = condarc.parse(before, path)
    require_known(names, desired.allowed, path)
    require_one_spelling(names, path)
    require_known(desired.remove, (*desired.allowed, *names), "remove")
    return merged(before, path, desired.settings, desired.final, desired.remove)


def files_for(found: Sequence[Mapping[str, Any]], user: str = "") -> tuple[list[File], dict[str, str]]:
    """Return the search path of a user, the lowest precedence first, and what is wrong with files of it.

    Parameters
    ----------
    found
        What the node has.
    user
        Whose; empty for what is the same for everybody.
    """
    order = ("system", "distribution", "user", "environment")
    mine = [file for file in found if file["exists"] and file["user"] in ("", user)]
    files, problems = [], {}
    for file in sorted(mine, key=lambda one: order.index(one["scope"])):
        settings, problem = _understood(file["path"], file["text"], file["problem"])
        if problem:
            problems[file["path"]] = problem
        files.append(File(file["path"], settings))
    return files, problems


def problems_of_users(found: Mapping[str, Any], target: str = "") -> dict[str, list[str]]:
    """Return what is wrong with what users own, by user.

    Parameters
    ----------
    found
        What the node has.
    target
        A file that is not considered, since it is what is written.
    """
    problems = {user: list(texts) for user, texts in found["problems"].items()}
    for file in found["files"]:
        if file["user"] and file["exists"] and file["path"] != target:
            problem = _understood(file["path"], file["text"], file["problem"])[1]
            if problem:
                named = problem if problem.startswith(file["path"]) else f"{file['path']}: {problem}"
                problems.setdefault(file["user"], []).append(f"conda cannot use {named}")
    return problems


@lru_cache(maxsize=4096)
def _understood(path: str, text: str, problem: str) -> tuple[Mapping[str, condarc.Setting], str]:
    """Return what a file sets, and what is wrong with it; one of the system's is looked at for every user."""
    if problem:
        return {}, masked(problem)
    try:
        settings = condarc.parse(text, path)
        require_one_spelling(settings, path)
    except EvenkeelError as error:
        return {}, masked(error.what)
    return settings, ""


def defeats(found: Sequence[Mapping[str, Any]], plan: Plan, users: Sequence[str]) -> list[dict[str, Any]]:
    """Return who sets the planned file's keys otherwise: user (empty: everybody), path and keys."""
    if plan.after is None:
        return []
    ours = File(plan.path, condarc.parse(plan.after, plan.path))
    planned = [
        {**file, "exists": True, "text": plan.after, "problem": ""} if file["path"] == plan.path else file
        for file in found
    ]
    told: list[dict[str, Any]] = []
    for_everybody: set[tuple[str, str]] = set()
    for user in ("", *users):
        files, _ = files_for(planned, user)
        if ours.path not in [file.path for file in files]:
            continue
        for path, keys in overridden(ours, files).items():
            more = [name for name in keys if (path, name) not in for_everybody]
            told += [{"user": user, "path": path, "keys": more}] if more else []
            for_everybody.update((path, name) for name in keys if not user)
    return told
