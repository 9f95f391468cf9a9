# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module front_door: nginx with TLS in front of a node's notebook servers."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import door as doors
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import front_door_nginx
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.door import Door, Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names, kept_files, nginx, tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import nginx_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted

FILE = "evenkeel-front-door.conf"
URLS = "/etc/evenkeel/front_door/urls.json"

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "hosts": {"type": "list", "elements": "str"},
    "user_domains": {"type": "list", "elements": "str"},
    "users_share_origin": {"type": "bool"},
    "allowed_origins": {"type": "list", "elements": "str", "default": []},
    "certified": {"type": "list", "elements": "str", "default": []},
    "certificate": {"type": "path"},
    "key": {"type": "path", "no_log": False},
    "servers": {"type": "path", "default": "/etc/evenkeel/jupyter/servers.json"},
    "planned": {"type": "dict", "default": {}},
    "addresses": {"type": "list", "elements": "str", "default": ["0.0.0.0"]},  # noqa: S104
    "port": {"type": "int", "default": 443},
    "http_port": {"type": "int", "default": 80},
    "max_body": {"type": "int", "default": 512},
    "timeout": {"type": "int", "default": 3600},
    "logins_per_minute": {"type": "int", "default": 10},
    "hsts_days": {"type": "int", "default": 0},
    "lock_timeout": {"type": "int", "default": 300},
}
RULES: dict[str, Any] = {"required_if": [("state", "present", ("hosts", "certificate", "key"))]}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    return remove(params, check_mode) if params["state"] == "absent" else serve(params, check_mode)


def remove(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have no front door, and no nginx where that was brought for it."""
    changes = kept_files.changes({nginx.path(FILE): None, URLS: None})
    done = nginx_removal.withdraw(FILE, changes, lock_timeout=params["lock_timeout"], check_mode=check_mode)
    return {**done, "urls": {}, "reloaded": False}


def serve(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have nginx in front of the notebook servers."""
    door = desired(params)
    doors.check(door)
    servers = known_servers(params["servers"], params["planned"], check_mode=check_mode)
    doors.require_apart(door, servers, params["certified"])
    require_decided(door, servers, decided=params["users_share_origin"] is not None)
    certificate = kept_files.text(door.certificate)
    if certificate is None and not check_mode:
        raise EvenkeelError("There is no certificate %s" % door.certificate, "Put it and its key there first")
    nginx.require_selinux_allows("the notebook servers")

    wanted = package_set.Job("front_door", Request(wanted=(Wanted("nginx"),)), lock_timeout=params["lock_timeout"])
    outcome = package_set.converge(wanted, check_mode=check_mode)
    health = front_door_nginx.digest(door, servers, certificate or "")
    text = front_door_nginx.render(door, servers, health)
    urls = doors.urls(door, servers)
    listed = json.dumps({"urls": urls}, indent=2, sort_keys=True) + "\n"
    changes = kept_files.changes({nginx.path(FILE): text, URLS: listed})
    # In check mode, a damaged certificate has not been replaced yet.
    if nginx.is_there() and (not check_mode or tls_files.belong_together(door.certificate, door.key)):
        nginx.try_out(FILE, text)
    if not check_mode:
        kept_files.apply_all(changes)
    reloaded = nginx.serve(
        FILE,
        lambda: doors.serves(doors.look(door), health, certificate or ""),
        by="front_door",
        changed=bool(changes),
        check_mode=check_mode,
    )
    return {
        "changed": bool(outcome.changed or changes or reloaded),
        "urls": urls,
        "packages": list(map(str, outcome.plan.steps)),
        "reloaded": reloaded,
        "unknown": list(outcome.unknown),
        "diff": [*outcome.diffs(), *(change.diff() for change in changes)],
    }


def desired(params: dict[str, Any]) -> Door:
    """Return what the options ask for."""
    hosts = tuple(map(host_names.spelled, params["hosts"]))
    domains = host_names.domains(hosts) if params["user_domains"] is None else params["user_domains"]
    return Door(
        hosts=hosts,
        domains=tuple(map(host_names.spelled, domains)),
        share_origin=bool(params["users_share_origin"]),
        origins=tuple(params["allowed_origins"]),
        addresses=tuple(params["addresses"]),
        **{
            key: params[key]
            for key in (
                *("port", "http_port", "certificate", "key"),
                *("max_body", "timeout", "logins_per_minute", "hsts_days"),
            )
        },
    )


def known_servers(path: str, planned: dict[str, str], *, check_mode: bool) -> list[Server]:
    """Return the notebook servers of the node.

    In check mode, the role jupyter may write the list before this in a real run, or replace a damaged one.

    Parameters
    ----------
    planned
        Users whose servers that role will list, with the path of each; empty where that is not known.
    """
    servers: list[Server] = []
    try:
        text = kept_files.text(path)
        if text is not None:
            servers = doors.parse(text, path)
        elif not check_mode:
            raise EvenkeelError("There is no %s" % path, "Run the role jupyter first, which writes it")
    except doors.Damaged:
        if not check_mode:
            raise
    if check_mode and planned:
        servers = doors.planned(planned, servers)
    doors.require_paths(servers, path)
    return servers


def require_decided(door: Door, servers: list[Server], *, decided: bool) -> None:
    """Refuse to change users' addresses unless the operator has decided it."""
    before = front_door_nginx.below_all(kept_files.text(nginx.path(FILE)) or "")
    after = front_door_nginx.below_all(front_door_nginx.render(door, servers, ""))
    doors.require_decided(door, servers, sorted(before - after), decided=decided)
