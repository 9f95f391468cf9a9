# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What users need on their own computers: how each node is reached, and which of its notebook servers is whose.

What a node says of its servers ends up in files that a user's ssh and browser trust, so unexpected values are refused.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line, sanitise
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import NOTEBOOK_SERVERS, require_known

#: Local ports are taken from here: below what systems hand out by themselves, above what services use.
_PORTS = range(20000, 30000)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ADDRESS = re.compile(r"[A-Za-z0-9_.:-]+(?:%[A-Za-z0-9_.-]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")
#: Without % and backslash, which ssh would expand.
_SOCKET = re.compile(r"(?:/[A-Za-z0-9_.+=@:-]+)+")
_TOKEN_FILE = re.compile(r"(?:/(?:[A-Za-z0-9_.+:@-]|\\x[0-9a-f]{2})+)+")
_BASE_URL = re.compile(r"/(?:(?:[A-Za-z0-9_.~@-]|%[0-9A-F]{2})+/)*")
_DOOR = re.compile(r"https://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_SCHEME = re.compile(r"https?")
_TOKEN = re.compile(r"[!-~]+")
_OPTION = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Server:
    """A notebook server of a user on a node.

    Parameters
    ----------
    target
        What ssh forwards to: ``address:port``, or the path of a socket.
    personal
        Whether it is one user's, whose account has the server's name, and not one that all share.
    token_command
        The command with which its user prints the token.
    path
        The path that a browser opens, with the token where it is known.
    door
        The URL at the front door, for use without ssh; empty where there is none.
    """

    node: str
    user: str
    target: str
    local_port: int
    personal: bool
    token_command: str
    scheme: str
    path: str
    door: str = ""


@dataclass(frozen=True)
class Node:
    """How a node is reached."""

    name: str
    address: str
    port: int


class Refused(Exception):
    """A node says something that must not go into a user's files."""


def gathered(variables: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what playbooks/client_config.yml has read from each node, as ``build`` takes it.

    Parameters
    ----------
    variables
        Of each host, its address and what the playbook's tasks have registered.
    """
    return {host: _gathered(host, variables[host]) for host in hosts}


def _gathered(host: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    listed, door, tokens = (variables.get(f"__client_{name}", {}) for name in ("list", "door", "tokens"))
    return {
        "address": variables.get("client_config_address", variables.get("ansible_host", host)),
        "port": variables.get("ansible_port", 22),
        "unreachable": listed.get("unreachable", False),
        "servers": _content(listed),
        "why": listed.get("msg", ""),
        "tokens": {one["item"]["user"]: one["stdout"] for one in tokens.get("results", ()) if "stdout" in one},
        "door": _content(door),
    }


def _content(slurped: Mapping[str, Any]) -> str | None:
    """Return the text of a file that ``slurp`` has read; None where there is none."""
    return b64decode(slurped["content"]).decode(errors="replace") if "content" in slurped else None


def build(found: Mapping[str, Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data for the files of users' computers.

    Parameters
    ----------
    found
        Of each host ``address``, ``port``, ``unreachable``, ``servers`` (the text of its list, None without one),
        ``why`` there is none, ``tokens`` by user, and ``door``, the text of the list of the front door's URLs.
    options
        Further options of ssh for every node.

    Returns
    -------
    dict
        ``nodes``, ``users`` (name to servers), ``options``, and ``problems``, texts.
    """
    nodes, servers, problems = [], [], []
    for name, facts in sorted(found.items()):
        if facts.get("unreachable"):
            problems.append(f"{name} could not be reached; it is not in the files.")
            continue
        try:
            node, entries = _node(name, facts), _entries(facts)
        except Refused as error:
            problems.append(f"{name}: {error}; it is not in the files.")
            continue
        nodes.append(node)
        for entry in entries:
            try:
                servers.append(_server(name, entry, facts.get("tokens") or {}, _doors(facts)))
            except Refused as error:
                problems.append(f"{name}: {error}; that server is not in the files.")
        if facts.get("servers") is None:
            problems.append(
                f"{name} has no list of notebook servers ({facts.get('why') or 'the role jupyter was not run'})."
            )
    problems += [f"client_config_options: {name!r} is left out." for name in options if not _fits(name, options[name])]
    by_user: dict[str, list[dict[str, Any]]] = {}
    for server in servers:
        by_user.setdefault(server.user, []).append(asdict(server))
    return {
        "nodes": [asdict(node) for node in nodes],
        "users": {user: _with_own_ports(by_user[user]) for user in sorted(by_user)},
        "options": {name: value for name, value in options.items() if _fits(name, value)},
        "problems": [in_one_line(problem) for problem in problems],
    }


def token_files(text: str | None) -> list[dict[str, str]]:
    """Return ``user`` and ``token_file`` of each server in a node's list; none where it is not readable."""
    try:
        entries = json.loads(text or "{}").get("servers", [])
        return [{"user": sanitise(entry["user"]), "token_file": entry["token_file"]} for entry in entries]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return []


def local_port(node: str, user: str) -> int:
    """Return the port of a user's computer for a server: the same in every run, whatever other nodes there are."""
    return _PORTS[zlib.crc32(f"{node}/{user}".encode()) % len(_PORTS)]


def _node(name: str, facts: Mapping[str, Any]) -> Node:
    address, port = str(facts.get("address") or name), str(facts.get("port") or 22)
    if not _HOST.fullmatch(name):
        raise Refused(f"{name!r} can't be a Host of ssh")
    if not _ADDRESS.fullmatch(address):
        raise Refused(f"its address is {address!r}")
    return Node(name, address, _port(port))


def _entries(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        content = json.loads(facts.get("servers") or '{"servers": []}')
        require_known("its list of notebook servers", content, NOTEBOOK_SERVERS)
        entries = content["servers"]
    except EvenkeelError as error:
        raise Refused(str(error).rstrip(".")) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"its list of notebook servers can't be read ({type(error).__name__}: {error})") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refused("its list of notebook servers has another form")
    return entries


def _doors(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the front door's URLs by user; none where there is none, or where the list can't be read."""
    try:
        return dict(json.loads(facts.get("door") or "{}").get("urls", {}))
    except (ValueError, AttributeError, TypeError):
        return {}


def _server(name: str, entry: Mapping[str, Any], tokens: Mapping[str, str], doors: Mapping[str, Any]) -> Server:
    user, base_url = _matching(_USER, entry, "user"), _matching(_BASE_URL, entry, "base_url")
    scheme, token = _matching(_SCHEME, entry, "scheme"), tokens.get(user)
    if entry.get("port") is None:
        target = _matching(_SOCKET, entry, "socket")
    else:
        address = _matching(_ADDRESS, entry, "address")
        address = host_names.to_connect(address)
        target = f"{f'[{address}]' if ':' in address else address}:{_port(entry.get('port'))}"
    if token is not None and not _TOKEN.fullmatch(token):
        raise Refused(f"the token of {user} has other characters than a token")
    personal = base_url != "/" or entry.get("port") is None
    path = f"{base_url}lab" + (f"?token={quote(token, safe='')}" if token else "")
    file = _matching(_TOKEN_FILE, entry, "token_file")
    command = f"ssh {name} \"cat '{file}'\"" if "\\" in file else f"ssh {name} cat {file}"
    origin = str(doors.get(user, "")).removesuffix(base_url)
    door = f"{origin}{path}" if _DOOR.fullmatch(origin) else ""
    return Server(name, user, target, local_port(name, user), personal, command, scheme, path, door)


def _with_own_ports(servers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a user's servers with links and different ports: of two with the same port the later gets the next one."""
    taken: set[int] = set()
    for server in servers:
        while server["local_port"] in taken:
            server["local_port"] = _PORTS[(server["local_port"] + 1 - _PORTS.start) % len(_PORTS)]
        taken.add(server["local_port"])
        server["link"] = f"{server['scheme']}://127.0.0.1:{server['local_port']}{server['path']}"
    return servers


def _matching(form: re.Pattern[str], entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not form.fullmatch(value) or ".." in value:
        raise Refused(f"a server has {value!r} as its {key}")
    return value


def _port(value: Any) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", str(value)) or not 0 < int(value) < 65536:
        raise Refused(f"{value!r} is not a port")
    return int(value)


def _fits(name: str, value: Any) -> bool:
    return bool(_OPTION.fullmatch(name)) and name.lower() not in ("host", "match") and "\n" not in str(value)
