# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module jupyter_servers: the notebook servers of a node, one for each user."""

from __future__ import annotations

import grp
import ipaddress
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import accounts, ports
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import reference_server as jupyter_reference
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import secrets as jupyter_secrets
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as jupyter_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import servers as jupyter_servers
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import Limits, Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import (
    host_names,
    kept_files,
    made,
    remains,
    tcp_port,
    unit_text,
    user_problems,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without

LIMITS = ("memory_max", "cpu_quota", "tasks_max", "open_files")

_LIMITS = {name: {"type": "str"} for name in LIMITS}
_SERVER = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int"},
    "base_url": {"type": "str"},
    "root_dir": {"type": "path"},
    "token": {"type": "str", "no_log": True},
    "password": {"type": "str", "no_log": True},
    "hashed_password": {"type": "str", "no_log": True},
    "system_account": {"type": "bool", "default": False},
    **_LIMITS,
}
ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "servers": {"type": "list", "elements": "dict", "options": _SERVER},
    "limits": {"type": "dict", "default": {}, "options": _LIMITS},
    "listen": {"type": "str", "choices": ["port", "socket"], "default": "port"},
    "address": {"type": "str", "default": "127.0.0.1"},
    "first_port": {"type": "int", "default": 8889},
    "socket_group": {"type": "str"},
    "certificate": {"type": "path"},
    "key": {"type": "path", "no_log": False},
    "hostnames": {"type": "list", "elements": "str", "default": []},
    "front_door": {"type": "bool", "default": False},
    "user_domains": {"type": "list", "elements": "str", "default": []},
    "on_demand": {"type": "bool", "default": False},
    "restart_policy": {"type": "str", "choices": list(jupyter_servers.POLICIES), "default": "idle"},
    "settings": {"type": "dict", "default": {}},
    "environment": {"type": "path"},
    "units": {"type": "dict"},
    "config": {"type": "str"},
    "directory": {"type": "path", "default": "/etc/evenkeel/jupyter"},
    "planned": {"type": "dict", "default": {}},
}
RULES: dict[str, Any] = {
    "required_together": [("certificate", "key")],
    "required_if": [("state", "present", ("servers", "environment", "units", "config"))],
}


@dataclass(frozen=True)
class Wish:
    """What the node has to have.

    Parameters
    ----------
    users
        All users that are asked for, those whose accounts can't be found now included.
    own
        Those of them that are the node's own accounts, and not a person's.
    gone
        Users whose servers are to be removed.
    problems
        What is wrong with accounts and homes, by user.
    """

    users: Sequence[str]
    own: Sequence[str]
    servers: Sequence[Server]
    gone: Sequence[str]
    files: Mapping[str, Kept | None]
    problems: Mapping[str, str]


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the servers to the declared state, or return what that would change."""
    return remove(params["directory"], check_mode) if params["state"] == "absent" else serve(params, check_mode)


def remove(folder: str, check_mode: bool) -> dict[str, Any]:
    """End all servers, with what runs in them, and have nothing of them but what others have put beside it."""
    users = sorted(jupyter_servers.known(folder))
    files = jupyter_servers.removal(users, folder)
    state = jupyter_servers.read(users, files, folder, environment="")
    ours = {path: None for path, file in state.files.items() if file is None or kept_files.is_ours(path, file.text)}
    plan = jupyter_servers.plan(state, [], users, ours, policy="now", folder=folder)
    # Without its file, systemd keeps a slice that was started.
    if state.units[jupyter_server.SLICE].running and jupyter_server.SLICE in map(os.path.basename, ours):
        plan = replace(plan, after=(*plan.after, ("stop", jupyter_server.SLICE)))
    if plan.changed and not check_mode:
        kept_files.apply_all(made.of_files("jupyter_servers", plan.files))
        jupyter_servers.apply(plan)
    folders = jupyter_servers.folders(folder)
    if not check_mode:
        for one in (*folders, jupyter_server.SOCKETS):
            remains.clear(one)
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "servers": [],
        "user_problems": {},
        "waiting": [],
        "left": [line for one in folders for line in remains.left(one, files)],
        "warnings": [
            "The server of %s ends, and in it: %s" % (user, "; ".join(running))
            for user, running in state.processes.items()
            if running
        ],
    }


def serve(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have the declared servers."""
    folder, policy = params["directory"], params["restart_policy"]
    wish = complete_wish(params, check_mode)
    present = [*(server.user for server in wish.servers), *wish.gone]
    state = jupyter_servers.read(present, wish.files, folder, params["environment"])

    def hidden(text: str, *users: str) -> str:
        """Return a text from servers of users, from their journals for example, without these users' secrets."""
        secrets = (jupyter_servers.secrets_of(user, folder, wish.files, state.files) for user in users)
        return without(text, itertools.chain.from_iterable(secrets))

    plan = jupyter_servers.plan(
        state, wish.servers, wish.gone, wish.files, policy=policy, folder=folder, homeless=wish.problems
    )
    failed: dict[str, str] = {}
    if plan.changed and not check_mode:
        kept_files.apply_all(made.of_files("jupyter_servers", plan.files))
        try:
            failed = {user: hidden(text, user) for user, text in jupyter_servers.apply(plan).items()}
        except EvenkeelError as error:
            raise EvenkeelError(*(hidden(text, *present) for text in (error.what, error.remedy))) from error
    problems = user_problems.merged(listed(wish.problems), listed(failed))
    require_node(params, wish, failed, problems)
    waits = [
        replace(waiting, processes=tuple(hidden(text, waiting.user) for text in waiting.processes))
        for waiting in plan.waiting
    ]
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "servers": [
            {
                **server.entry(folder),
                "probe": "asleep" if server.user in failed else plan.probes[server.user],
                "moves": server.user in plan.moving,
                "system_account": server.user in wish.own,
            }
            for server in wish.servers
        ],
        "user_problems": problems,
        "waiting": list(map(asdict, waits)),
        "warnings": [
            *user_problems.warnings(problems),
            *(waiting.words(policy) for waiting in waits),
            *(
                "%s is changed by %s, which may undo its hardening" % (unit, ", ".join(paths))
                for unit, paths in jupyter_servers.foreign_drop_ins(state).items()
            ),
        ],
    }


def complete_wish(params: dict[str, Any], check_mode: bool) -> Wish:
    """Return what the options ask for, completed with what only the node knows.

    Raises
    ------
    EvenkeelError
        A user can't have a server, or a port is not free.
    """
    folder = params["directory"]
    had = jupyter_servers.known(folder)
    users = [item["name"] for item in params["servers"]]
    own = [item["name"] for item in params["servers"] if item["system_account"]]
    found = look_up(users, params["planned"] if check_mode else {}, [user for user in had if user not in own])
    ports_had = {user: port for user, port in had.items() if port}
    servers = complete(params, found.accounts, ports_had, check_mode=check_mode)
    gone = sorted(had.keys() - set(users))
    vanished = [user for user in users if user not in found.accounts]
    files = jupyter_servers.wanted(servers, gone, params["units"], params["config"], folder, vanished=vanished)
    return Wish(users, own, servers, gone, files, found.problems)


def require_node(
    params: dict[str, Any], wish: Wish, failed: Mapping[str, str], problems: Mapping[str, Sequence[str]]
) -> None:
    """Fail when the fault is the node's and not a user's.

    Parameters
    ----------
    failed
        Why servers did not start, by user.
    problems
        All problems by user.
    """

    def reference() -> str | None:
        config = os.path.join(params["directory"], jupyter_servers.CONFIG)
        return jupyter_reference.failure_of_server(params["environment"], config, params["settings"])

    why = user_problems.of_node([*failed, *set(wish.own).intersection(problems)], wish.users, wish.own, reference)
    if why:
        texts = itertools.chain.from_iterable(problems.values())
        raise EvenkeelError("\n".join(texts), "It is the node's own: %s" % why)


def listed(texts: Mapping[str, str]) -> dict[str, list[str]]:
    return {user: [text] for user, text in texts.items()}


def look_up(names: list[str], planned: dict[str, str], served: list[str]) -> accounts.Found:
    """Return the accounts, each of which is named once."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EvenkeelError(
            "servers (jupyter_users of the role) names %s twice" % ", ".join(twice), "Name each user once"
        )
    return accounts.look_up(names, planned, served)


def complete(
    params: dict[str, Any], found: Mapping[str, Account], had: dict[str, int], *, check_mode: bool
) -> list[Server]:
    """Return the servers of the accounts that were found, with all that the node alone knows."""
    items = [item for item in params["servers"] if item["name"] in found]
    address = tcp_port.parse_address(params["address"])
    by_port = params["listen"] == "port"
    asked = {item["name"]: item["port"] for item in items} if by_port else {}
    given = ports.assign(asked, had, params["first_port"], lambda port: holders(address, port))
    socket_group = group(params["socket_group"])
    certificate, key = (text(params[name], check_mode=check_mode) for name in ("certificate", "key"))
    hosts = list(map(host_names.spelled, params["hostnames"]))
    # Where other machines reach the servers themselves, they answer for any name.
    answers_any = by_port and not ipaddress.ip_address(params["address"]).is_loopback
    servers = []
    for item in items:
        account = found[item["name"]]
        hashed = item["hashed_password"] or ""
        own_hosts = []
        if params["front_door"]:
            own_hosts = (
                hosts if len(params["servers"]) == 1 else host_names.of_user(account.name, params["user_domains"])
            )
        if hashed:
            jupyter_secrets.check_hash(hashed, account.name)
        if item["system_account"] and item["root_dir"]:
            require_folder(item["root_dir"], account)
        current = kept_files.read(os.path.join(params["directory"], unit_text.escape(account.name), "token"))
        servers.append(
            Server(
                account=account,
                address=params["address"],
                port=given.get(account.name),
                base_url=item["base_url"] or jupyter_server.base_url(account.name),
                root_dir=item["root_dir"] or account.home,
                token=jupyter_secrets.token(current.text if current else None, item["token"], account.name),
                hashed_password=hashed,
                on_demand=params["on_demand"],
                limits=Limits(*(str(item[name] or params["limits"].get(name) or "") for name in LIMITS)),
                settings=params["settings"],
                socket_group=socket_group,
                certificate=certificate,
                key=key,
                hosts=() if answers_any else sorted({"localhost", *hosts, *own_hosts}),
                own_hosts=own_hosts,
            )
        )
    return servers


def require_folder(root_dir: str, account: Account) -> None:
    """Require the folder that a server of the node's own shows, without which it does not start.

    Raises
    ------
    EvenkeelError
        It is not below the home, and not there.
    """
    if not (root_dir + "/").startswith(account.home + "/") and not os.path.isdir(root_dir):
        raise EvenkeelError(
            "root_dir of %s is %s, and the node has no such directory" % (account.name, root_dir),
            "Create it, or set root_dir (jupyter_root_dir of the role) to another one",
        )


def holders(address: tcp_port.Address, port: int) -> str:
    return "; ".join(map(tcp_port.describe, tcp_port.read(address, port)))


def group(name: str | None) -> tuple[str, int] | None:
    if not name:
        return None
    try:
        return name, grp.getgrnam(name).gr_gid
    except KeyError:
        raise EvenkeelError(
            "There is no group %s" % name,
            "Create it, or set socket_group (jupyter_socket_group of the role) to another one",
        ) from None


def text(path: str | None, *, check_mode: bool) -> str:
    """Return the text of a file of PEM; in check mode, a missing one is put in place before this in a real run."""
    if not path:
        return ""
    file = kept_files.read(path)
    if file is None and check_mode:
        return "not there yet\n"
    if file is None:
        raise EvenkeelError("There is no file %s" % path, "Put the certificate and its key on the node first")
    return file.text
