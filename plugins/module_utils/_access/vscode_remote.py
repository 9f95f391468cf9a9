# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module vscode_remote: what VS Code's Remote SSH finds on a node."""

from __future__ import annotations

import os
import pwd
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_home, vscode_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import vscode_requirements as requirements
from ansible_collections.evenkeel.gpu.plugins.module_utils._access.vscode_server import Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts, made, remains, user_problems
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

#: By which its record is known.
MODULE = "vscode_remote"
_MOST_NAMED = 3

FLOORS = {
    "kernel": {"type": "str", "required": True},
    "glibc": {"type": "str", "required": True},
    "libstdcxx": {"type": "str", "required": True},
    "programs": {"type": "list", "elements": "str", "default": []},
    "downloaders": {"type": "list", "elements": "str", "default": []},
}
SERVER = {
    "commit": {"type": "str", "required": True},
    "archive": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "cli_archive": {"type": "str", "default": ""},
    "cli_sha256": {"type": "str", "default": ""},
}

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "users": {"type": "list", "elements": "str", "default": []},
    "planned_users": {"type": "list", "elements": "str", "default": []},
    "environments": {"type": "path", "default": "/opt/evenkeel/envs"},
    "environment": {"type": "str", "default": ""},
    "planned": {"type": "list", "elements": "str", "default": []},
    "conda": {"type": "path", "default": "/opt/miniconda3/bin/conda"},
    "settings": {"type": "dict", "default": {}},
    "floors": {"type": "dict", "options": FLOORS},
    "server": {"type": "dict", "options": SERVER},
    "store": {"type": "path", "default": "/opt/evenkeel/vscode"},
}
RULES: dict[str, Any] = {"required_if": [("state", "present", ("floors",))]}
#: The folder on the node with the archives.
FROM_ACTION: dict[str, Any] = {"brought": {"type": "path"}}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    return remove(params["store"], check_mode) if params["state"] == "absent" else prepare(params, check_mode)


def remove(store: str, check_mode: bool) -> dict[str, Any]:
    """Have no server for all users. What is in homes is their users', and VS Code works without a server of ours."""
    require_normalised("store", store)
    there = remains.named(store, vscode_server.FOLDERS)
    in_homes = made.read(MODULE)
    if not check_mode:
        remains.take(there, vscode_server.DOOMED)
        if there:
            remains.prune(store)
        made.note(MODULE, (), in_homes)
    names = ", ".join(thing.name for thing in in_homes[:_MOST_NAMED])
    more = " and %d more" % (len(in_homes) - _MOST_NAMED) if len(in_homes) > _MOST_NAMED else ""
    return {
        "changed": bool(there),
        "diff": [{"before": "VS Code's server\n", "after": "", "before_header": path} for path in there],
        "environments": [],
        "kept": {},
        "user_problems": {},
        "warnings": ["%s%s stay, since they are their users' own" % (names, more)] if in_homes else [],
    }


def prepare(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have what VS Code needs for each user."""
    server = described(params["server"])
    doubtful = require_what_it_needs(params["floors"], offline=server is not None)
    to_come, to_build = (params[name] if check_mode else () for name in ("planned_users", "planned"))
    users = accounts_of(params["users"], to_come)
    prefixes = found_environments(params["environments"], to_build)
    settings = {**chosen(params, prefixes, to_build), **params["settings"]}
    folder = vscode_server.place(params["store"], server) if server else ""
    unpack = server is not None and not vscode_server.is_there(folder, server)
    if unpack and not check_mode and not params["brought"]:
        return {"changed": True, "wanted": archives(params["server"]), "user_problems": {}}

    if server and unpack and not check_mode:
        brought = [os.path.join(params["brought"], os.path.basename(name)) for name in archives(params["server"])]
        vscode_server.unpack(folder, server, brought[0], brought[-1])
    loose = server is not None and not unpack and not vscode_server.is_tight(folder, server)
    if server and loose and not check_mode:
        vscode_server.tighten(folder, server)
    links = vscode_server.links(folder, server) if server else {}
    wish = vscode_home.Wish(settings, tuple(prefixes), params["environments"], links)
    outcomes = vscode_home.converge(users, wish, check_mode=check_mode)
    if not check_mode:
        made.note(MODULE, list(made_in_homes(users, outcomes)))
    problems = {user: list(outcome.problems) for user, outcome in outcomes.items() if outcome.problems}
    diffs = [{"before": "", "after": "VS Code's server\n", "after_header": folder}] if unpack else []
    diffs += [{"before": "", "after": "permissions\n", "after_header": folder}] if loose else []
    diffs += [dict(diff) for outcome in outcomes.values() for diff in outcome.diff]
    return {
        "changed": bool(diffs),
        "diff": diffs,
        "environments": prefixes,
        "kept": {user: list(outcome.kept) for user, outcome in outcomes.items() if outcome.kept},
        "user_problems": problems,
        "wanted": archives(params["server"]) if unpack and check_mode else [],
        "warnings": doubtful + user_problems.warnings(problems),
    }


def made_in_homes(users: list[pwd.struct_passwd], outcomes: Mapping[str, vscode_home.Outcome]) -> Iterator[Thing]:
    """Yield the files that are new in homes."""
    for user in users:
        for name in set(vscode_home.FILES).intersection(outcomes[user.pw_name].made):
            yield Thing("file", os.path.join(user.pw_dir, name))


def described(params: dict[str, str] | None) -> Server | None:
    """Return the server that the options describe."""
    if params is None:
        return None
    server = Server(params["commit"], params["sha256"], params["cli_sha256"])
    vscode_server.check(server)
    if bool(params["cli_archive"]) != bool(params["cli_sha256"]):
        raise EvenkeelError("cli_archive and cli_sha256 go together", "Give both, or neither")
    return server


def archives(params: dict[str, str]) -> list[str]:
    """Return the archives of a server."""
    return [path for path in (params["archive"], params["cli_archive"]) if path]


def require_what_it_needs(floors: dict[str, Any], *, offline: bool) -> list[str]:
    """Refuse a node that VS Code can't work on, and return what may keep it from working."""
    found = requirements.read([*floors["programs"], *floors["downloaders"]])
    verdict = requirements.judge(found, floors, offline=offline)
    if verdict.impossible:
        raise EvenkeelError(
            "VS Code's Remote SSH can't work here: %s" % "; ".join(verdict.impossible),
            "Install what is missing, or set remote_access_vscode of the role to false for this node",
        )
    return list(verdict.doubtful)


def accounts_of(names: list[str], planned: Collection[str]) -> list[pwd.struct_passwd]:
    """Return the accounts of those users that are there; the error names all that are missing and not planned."""
    found, missing = [], []
    for name in dict.fromkeys(names):
        try:
            found.append(accounts.account(name))
        except EvenkeelError:  # noqa: PERF203
            missing.append(name)
    missing = [name for name in missing if name not in planned]
    if missing:
        raise EvenkeelError(
            "The node has no user %s" % ", ".join(missing),
            "Correct users (jupyter_users, or remote_access_users of the role), or create the accounts first",
        )
    return found


def found_environments(folder: str, planned: Collection[str]) -> list[str]:
    """Return the prefixes of the named environments, by which they are found through every generation."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    prefixes = [os.path.join(folder, name) for name in names if not name.startswith(".")]
    there = [prefix for prefix in prefixes if os.path.isdir(os.path.join(prefix, "conda-meta"))]
    return sorted({*there, *(os.path.join(folder, name) for name in planned)})


def chosen(params: dict[str, Any], prefixes: list[str], planned: Collection[str]) -> dict[str, str]:
    """Return the settings that follow from the environment and from conda."""
    settings = {"python.condaPath": params["conda"]} if os.path.exists(params["conda"]) else {}
    name = params["environment"]
    if not name:
        return settings
    prefix = os.path.join(params["environments"], name)
    python = os.path.join(prefix, "bin", "python")
    if not os.access(python, os.X_OK) and name not in planned:
        there = ", ".join(map(os.path.basename, prefixes)) or "none"
        raise EvenkeelError(
            "There is no environment with a Python at %s; there is %s" % (prefix, there),
            "Build it first, or set environment (remote_access_environment of the role) to another one",
        )
    return {**settings, "python.defaultInterpreterPath": python}
