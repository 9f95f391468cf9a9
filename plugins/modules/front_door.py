#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: nginx with TLS before a node's notebook servers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: front_door
short_description: Keep nginx with TLS before the notebook servers of a node
version_added: 0.4.0
description:
  - Installs the distribution's nginx, and keeps one file of its configuration, C(conf.d/evenkeel-front-door.conf), made
    of the list of notebook servers that the role C(jupyter) keeps on the node.
  - Where several users have servers, each gets a host name of its own below O(user_domains), and so an origin of its
    own, because browsers let pages of one origin do anything to each other. The name is the user's, or its plain
    characters and a hash where DNS does not allow it.
  - Requests that a page of another site makes are refused, by their headers C(Origin) and C(Sec-Fetch-Site).
  - The configuration is tried before it is put in place. One that nginx refuses changes nothing.
  - nginx is reloaded, which leaves its connections alone, whenever what it serves is not what the files say, also when
    an earlier run was ended before. In the end it serves the certificate and the configuration that are on the disk.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  hosts:
    description: Names and addresses that people type.
    type: list
    elements: str
    required: true
  user_domains:
    description:
      - Domains below which each user has a host name, where there are several. Those of O(hosts) that have a dot and
        are no addresses, when it is not given.
    type: list
    elements: str
  users_share_origin:
    description:
      - Whether the servers of several users are paths of O(hosts), so that a page of one user can act as the others.
      - As long as it is not given, a node whose users share an origin already is refused rather than changed.
    type: bool
  allowed_origins:
    description: Origins elsewhere, such as C(https://portal.example.com), whose pages may use the servers.
    type: list
    elements: str
    default: []
  certified:
    description: What the certificate is for. A user's host name that it does not cover is refused.
    type: list
    elements: str
    default: []
  certificate:
    description: The file with the certificate and its chain.
    type: path
    required: true
  key:
    description: The file with its key.
    type: path
    required: true
  servers:
    description: The file with the list of notebook servers.
    type: path
    default: /etc/evenkeel/jupyter/servers.json
  addresses:
    description: The IP addresses to listen on; V(0.0.0.0) and V(::) stand for all.
    type: list
    elements: str
    default: [0.0.0.0]
  port:
    description: The port for TLS.
    type: int
    default: 443
  http_port:
    description: The port that sends people to O(port); V(0) for none.
    type: int
    default: 80
  max_body:
    description: The largest request, in MiB.
    type: int
    default: 512
  timeout:
    description: How many seconds a connection may stay silent.
    type: int
    default: 3600
  logins_per_minute:
    description: How often one address may try to log in to one server.
    type: int
    default: 10
  hsts_days:
    description: For how many days browsers shall use nothing but TLS with these hosts; V(0) to not tell them.
    type: int
    default: 0
  lock_timeout:
    description: How many seconds to wait while somebody else runs the package manager.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Keep the front door
  evenkeel.gpu.front_door:
    hosts: [gpu1.example.com]
    certificate: /etc/evenkeel/front_door/certificate.pem
    key: /etc/evenkeel/front_door/key.pem
"""

RETURN = r"""
urls:
  description: Where each user's notebook server is reached; also in C(/etc/evenkeel/front_door/urls.json).
  type: dict
  returned: success
  sample: {ana: "https://ana.gpu1.example.com/user/ana/", bo: "https://bo.gpu1.example.com/user/bo/"}
packages:
  description: Packages that changed, with their versions.
  type: list
  elements: str
  returned: success
reloaded:
  description: Whether nginx was started or reloaded, or would be.
  type: bool
  returned: success
"""

import json
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import front_door, front_door_nginx, nginx
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.front_door import Door, Server
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, host_names, kept_files, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted

FILE = "evenkeel-front-door.conf"
URLS = "/etc/evenkeel/front_door/urls.json"
RELOAD_SECONDS = 30
POLL_SECONDS = 0.1


def main() -> None:
    run(
        converge,
        {
            "hosts": {"type": "list", "elements": "str", "required": True},
            "user_domains": {"type": "list", "elements": "str"},
            "users_share_origin": {"type": "bool"},
            "allowed_origins": {"type": "list", "elements": "str", "default": []},
            "certified": {"type": "list", "elements": "str", "default": []},
            "certificate": {"type": "path", "required": True},
            "key": {"type": "path", "required": True, "no_log": False},
            "servers": {"type": "path", "default": "/etc/evenkeel/jupyter/servers.json"},
            "addresses": {"type": "list", "elements": "str", "default": ["0.0.0.0"]},  # noqa: S104
            "port": {"type": "int", "default": 443},
            "http_port": {"type": "int", "default": 80},
            "max_body": {"type": "int", "default": 512},
            "timeout": {"type": "int", "default": 3600},
            "logins_per_minute": {"type": "int", "default": 10},
            "hsts_days": {"type": "int", "default": 0},
            "lock_timeout": {"type": "int", "default": 300},
        },
    )


def converge(module: Module) -> dict[str, Any]:
    params, check_mode = module.params, module.check_mode
    door = desired(params)
    front_door.check(door)
    servers = known_servers(params["servers"], may_be_missing=check_mode)
    front_door.require_apart(door, servers, params["certified"])
    require_told(door, servers, decided=params["users_share_origin"] is not None)
    certificate = kept_files.text(door.certificate)
    if certificate is None and not check_mode:
        raise EvenkeelError("There is no certificate %s" % door.certificate, "Put it there first")
    front_door.require_selinux_allows()

    wanted = package_set.Job(Request(wanted=(Wanted("nginx"),)), lock_timeout=params["lock_timeout"])
    outcome = package_set.converge(wanted, check_mode=check_mode)
    health = front_door_nginx.digest(door, servers, certificate or "")
    text = front_door_nginx.render(door, servers, health)
    urls = front_door.urls(door, servers)
    listed = json.dumps({"urls": urls}, indent=2, sort_keys=True) + "\n"
    changes = kept_files.changes({nginx.path(FILE): text, URLS: listed})
    # A rehearsal comes before a damaged certificate is issued again, too.
    if nginx.is_there() and (not check_mode or front_door.can_be_served(door)):
        nginx.try_out(FILE, text)
    if not check_mode:
        kept_files.apply_all(changes)
    reloaded = serve(
        lambda: front_door.serves(front_door.look(door), health, certificate or ""),
        changed=bool(changes),
        check_mode=check_mode,
    )
    return {
        "changed": bool(outcome.changed or changes or reloaded),
        "urls": urls,
        "packages": list(map(str, outcome.plan.steps)),
        "reloaded": reloaded,
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


def known_servers(path: str, *, may_be_missing: bool) -> list[Server]:
    """Return the notebook servers of the node; a rehearsal of the first run comes before there are any.

    It also comes before the role jupyter has replaced a damaged list.
    """
    text = kept_files.text(path)
    if text is None:
        if may_be_missing:
            return []
        raise EvenkeelError("There is no %s" % path, "Run the role jupyter first, which writes it")
    try:
        return front_door.parse(text, path)
    except front_door.Damaged:
        if may_be_missing:
            return []
        raise


def require_told(door: Door, servers: list[Server], *, decided: bool) -> None:
    """Refuse to change people's addresses as long as the operator has not decided it."""
    before = front_door_nginx.below_all(kept_files.text(nginx.path(FILE)) or "")
    after = front_door_nginx.below_all(front_door_nginx.render(door, servers, ""))
    front_door.require_told(door, servers, sorted(before - after), decided=decided)


def serve(is_right: Callable[[], bool], *, changed: bool, check_mode: bool) -> bool:
    """Have nginx run, at boot too, and serve what the files say; tell whether that took anything.

    Parameters
    ----------
    changed
        Whether they were just changed; what was changed by hand may look right.

    Raises
    ------
    EvenkeelError
        It does not start, or goes on serving something else.
    """
    todo = services.change(nginx.UNIT, run=True)
    if todo is None and not changed and is_right():
        return False
    if check_mode:
        return True
    mend = "Read its words: journalctl --unit %s" % nginx.UNIT
    if todo is not None:
        todo.apply()
    if changed or not is_right():
        command.require(["systemctl", "reload", nginx.UNIT], mend)
    end = time.monotonic() + RELOAD_SECONDS
    while not is_right():
        if time.monotonic() > end:
            raise EvenkeelError("nginx runs, and does not serve what %s says" % nginx.path(FILE), mend)
        time.sleep(POLL_SECONDS)
    return True


if __name__ == "__main__":
    main()
