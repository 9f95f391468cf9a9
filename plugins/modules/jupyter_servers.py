#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the notebook servers of a node, one for each user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_servers
short_description: Keep a notebook server for each user
version_added: 0.4.0
description:
  - Converges all notebook servers of a node in one call, however many users there are. Each is an instance of
    C(jupyter@.service) that runs as its user, listens on a socket that nobody else can open, and is reached through an
    instance of C(jupyter-proxy@.socket) on a TCP port or on a socket of the user's. systemd holds that place whether
    the server runs or not.
  - A server gets in whoever has its token. It is made on the node, once, in a file that its user alone can read, and
    never leaves the node. A password's hash may be given besides.
  - Ports stay the same in every run. C(servers.json) in O(directory) says where each server is reached.
  - A server that runs with older files than those on disk, or from an older generation of its environment, is restarted
    when O(restart_policy) allows it. What waits is told, with what it waits for.
  - The servers of users who are no longer listed are stopped and removed, under the same policy. Homes are never
    touched.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
options:
  servers:
    description: All the servers that shall be there.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: An account with a home that may log in; not root.
        type: str
        required: true
      port:
        description: The TCP port. Without it, the one that the server had, or the next free one from O(first_port) on.
        type: int
      base_url:
        description: The path that the server answers at; C(/user/NAME/) when it is not given.
        type: str
      root_dir:
        description: The folder that the file browser shows; the home when it is not given.
        type: path
      token:
        description: The token. Without it, whatever token is there stays, and a missing one is made.
        type: str
      password:
        description:
          - A password for people to type. It is hashed on the control node, and only the hash goes to the node.
          - One that is not in a vault is warned of.
        type: str
      hashed_password:
        description:
          - A password as C(jupyter server password) hashes it, with argon2. Not together with O(servers[].password).
        type: str
      system_account:
        description:
          - Whether the account is the node's own and nobody's, so that a server that fails fails the node. Others' are
            in RV(user_problems), unless all fail.
        type: bool
        default: false
      memory_max:
        description: What all processes of the server may use, such as C(64G); see systemd's C(MemoryMax).
        type: str
      cpu_quota:
        description: Such as C(800%) for eight cores; see systemd's C(CPUQuota).
        type: str
      tasks_max:
        description: How many processes and threads; see systemd's C(TasksMax).
        type: str
      open_files:
        description: How many files each process may have open.
        type: str
  limits:
    description: Limits of the servers that have none of their own.
    type: dict
    default: {}
    suboptions:
      memory_max: {description: "As O(servers[].memory_max).", type: str}
      cpu_quota: {description: "As O(servers[].cpu_quota).", type: str}
      tasks_max: {description: "As O(servers[].tasks_max).", type: str}
      open_files: {description: "As O(servers[].open_files).", type: str}
  listen:
    description: Whether people reach a server on a TCP port or on a socket of their own, which no other user can open.
    type: str
    choices: [port, socket]
    default: port
  address:
    description: The IP address of the ports.
    type: str
    default: 127.0.0.1
  first_port:
    description: Where the search for free ports begins.
    type: int
    default: 8889
  socket_group:
    description: A group that may open the sockets too, such as a web server's.
    type: str
  certificate:
    description: A PEM file on the node with the certificate that the servers show, and its chain. They speak TLS then.
    type: path
  key:
    description: The PEM file of its key.
    type: path
  hostnames:
    description:
      - Names and addresses that the servers answer for beside the loopback's. On another address than the loopback's
        they answer for any.
    type: list
    elements: str
    default: []
  front_door:
    description:
      - Whether a web server with TLS serves them, at O(hostnames), or at names of users where there are several.
    type: bool
    default: false
  user_domains:
    description: Domains below which each of several users has a host name at the front door.
    type: list
    elements: str
    default: []
  on_demand:
    description: Whether a server starts with its first connection, and ends when nobody has used it for a while.
    type: bool
    default: false
  restart_policy:
    description:
      - When a server may be restarted that people may be using. V(now), or V(idle), when no kernel and no terminal is
        there that it would end, or V(manual), which leaves it to a person.
    type: str
    choices: [now, idle, manual]
    default: idle
  settings:
    description: Settings of Jupyter, class by class, alike for all servers.
    type: dict
    default: {}
  environment:
    description: The environment that the servers run from.
    type: path
    required: true
  units:
    description: The texts of the units that all servers share, by name.
    type: dict
    required: true
  config:
    description: The text of the settings in Python that every server reads last.
    type: str
    required: true
  directory:
    description: Where the servers' own files are.
    type: path
    default: /etc/evenkeel/jupyter
  planned:
    description: Homes of the users that the same run makes before this, so that check mode does not ask for them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Keep a notebook server for two people
  evenkeel.gpu.jupyter_servers:
    servers:
      - name: ana
        memory_max: 64G
      - name: ben
    environment: /opt/evenkeel/envs/jupyter
    units: "{{ jupyter_units }}"
    config: "{{ jupyter_config }}"
"""

RETURN = r"""
servers:
  description: Where each server is reached, as in C(servers.json), and how it is to be looked at now.
  type: list
  elements: dict
  returned: success
  sample:
    - user: ana
      scheme: http
      address: 127.0.0.1
      port: 8889
      socket:
      base_url: /user/ana/
      token_file: /etc/evenkeel/jupyter/ana/token
      unit: jupyter@ana.service
      on_demand: true
      probe: full
user_problems:
  description:
    - What is wrong with users' homes, accounts and servers, by user. They are warned of, and leave the others alone.
  type: dict
  returned: success
  sample:
    ana: ["the home /home/ana is not a directory"]
waiting:
  description: Servers whose restart is due, and what it would end.
  type: list
  elements: dict
  returned: success
  sample:
    - user: ana
      unit: jupyter@ana.service
      why: [/etc/evenkeel/jupyter/ana/settings.json]
      processes: ["pid 812: /opt/evenkeel/envs/vision/bin/python -m ipykernel_launcher -f kernel-1.json"]
"""

import grp
import ipaddress
import itertools
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
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
    tcp_port,
    unit_text,
    user_problems,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without

LIMITS = ("memory_max", "cpu_quota", "tasks_max", "open_files")


def main() -> None:
    limits = {name: {"type": "str"} for name in LIMITS}
    server = {
        "name": {"type": "str", "required": True},
        "port": {"type": "int"},
        "base_url": {"type": "str"},
        "root_dir": {"type": "path"},
        "token": {"type": "str", "no_log": True},
        "password": {"type": "str", "no_log": True},
        "hashed_password": {"type": "str", "no_log": True},
        "system_account": {"type": "bool", "default": False},
        **limits,
    }
    run(
        converge,
        {
            "servers": {"type": "list", "elements": "dict", "required": True, "options": server},
            "limits": {"type": "dict", "default": {}, "options": limits},
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
            "environment": {"type": "path", "required": True},
            "units": {"type": "dict", "required": True},
            "config": {"type": "str", "required": True},
            "directory": {"type": "path", "default": "/etc/evenkeel/jupyter"},
            "planned": {"type": "dict", "default": {}},
        },
        required_together=[("certificate", "key")],
    )


def converge(module: Module) -> dict[str, Any]:
    params = module.params
    folder, policy = params["directory"], params["restart_policy"]
    had = jupyter_servers.known(folder)
    names = [item["name"] for item in params["servers"]]
    own = [item["name"] for item in params["servers"] if item["system_account"]]
    found = look_up(names, params["planned"] if module.check_mode else {}, [user for user in had if user not in own])
    ports_had = {user: port for user, port in had.items() if port}
    servers = complete(params, found.accounts, ports_had, check_mode=module.check_mode)
    users = [server.user for server in servers]
    gone = sorted(had.keys() - set(names))
    vanished = [name for name in names if name not in found.accounts]
    files = jupyter_servers.wanted(servers, gone, params["units"], params["config"], folder, vanished=vanished)
    state = jupyter_servers.read([*users, *gone], files, folder, params["environment"])

    def hidden(text: str, *whose: str) -> str:
        """Return a text that quotes what servers have written to the journal, or what runs in them."""
        secrets = (jupyter_servers.secrets_of(user, folder, files, state.files) for user in whose)
        return without(text, itertools.chain.from_iterable(secrets))

    plan = jupyter_servers.plan(state, servers, gone, files, policy=policy, folder=folder, homeless=found.problems)
    failed: dict[str, str] = {}
    if plan.changed and not module.check_mode:
        try:
            failed = {user: hidden(text, user) for user, text in jupyter_servers.apply(plan).items()}
        except EvenkeelError as error:
            raise EvenkeelError(*(hidden(text, *users, *gone) for text in (error.what, error.mend))) from error
    problems = user_problems.merged(
        *({user: [text]} for some in (found.problems, failed) for user, text in some.items())
    )

    def reference() -> str | None:
        return jupyter_reference.failure_of_server(
            params["environment"], os.path.join(folder, jupyter_servers.CONFIG), params["settings"]
        )

    why = user_problems.of_node([*failed, *set(own).intersection(problems)], names, own, reference)
    if why:
        raise EvenkeelError(
            "\n".join(text for texts in problems.values() for text in texts), "It is the node's own: %s" % why
        )
    user_problems.warn(module, problems)
    waits = [
        replace(waiting, processes=tuple(hidden(text, waiting.user) for text in waiting.processes))
        for waiting in plan.waiting
    ]
    for waiting in waits:
        module.warn(waiting.words(policy))
    for unit, paths in jupyter_servers.foreign_drop_ins(state).items():
        module.warn("%s is changed by %s, which may undo its hardening" % (unit, ", ".join(paths)))
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "servers": [
            {
                **server.entry(folder),
                "probe": "asleep" if server.user in failed else plan.probes[server.user],
                "system_account": server.user in own,
            }
            for server in servers
        ],
        "user_problems": problems,
        "waiting": list(map(asdict, waits)),
    }


def look_up(names: list[str], planned: dict[str, str], served: list[str]) -> accounts.Found:
    """Return the accounts, each of which is named once."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EvenkeelError("jupyter_users names %s twice" % ", ".join(twice), "Name everybody once")
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
    socket_group = group(params["socket_group"], check_mode=check_mode)
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


def holders(address: tcp_port.Address, port: int) -> str:
    return "; ".join(map(tcp_port.describe, tcp_port.read(address, port)))


def group(name: str | None, *, check_mode: bool) -> tuple[str, int] | None:
    if not name:
        return None
    try:
        return name, grp.getgrnam(name).gr_gid
    except KeyError:
        if check_mode:
            return name, -1
        raise EvenkeelError("There is no group %s" % name, "Set jupyter_socket_group to one of the node's") from None


def text(path: str | None, *, check_mode: bool) -> str:
    if not path:
        return ""
    file = kept_files.read(path)
    if file is None and check_mode:
        return ""
    if file is None:
        raise EvenkeelError("There is no file %s" % path, "Put the certificate and its key on the node first")
    return file.text


if __name__ == "__main__":
    main()
