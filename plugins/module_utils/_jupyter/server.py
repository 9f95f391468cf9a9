# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A user's notebook server as files: its settings, its secrets, and what systemd has to know of it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.accounts import Account
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.unit_text import escape, value, word

UNITS = "/etc/systemd/system"
SOCKETS = "/run/evenkeel-jupyter"
SERVICE, WAY_IN = "jupyter@.service", "jupyter-proxy@.socket"
PROXY = "jupyter-proxy@.service"
SLICE = "jupyter.slice"
DROP_IN = "evenkeel.conf"
#: Files of a server that only its user may read.
SECRETS = ("token", "password", "key.pem")

_HOMES_OUT_OF_SIGHT = ("/home", "/root", "/run/user")
_PORT = re.compile(r"^ListenStream=[^/].*:(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Limits:
    """What all processes of a server together may use, in systemd's syntax; empty is no limit."""

    memory_max: str = ""
    cpu_quota: str = ""
    tasks_max: str = ""
    open_files: str = ""

    def lines(self) -> list[str]:
        """Return them as systemd's directives."""
        names = {
            "MemoryMax": self.memory_max,
            "CPUQuota": self.cpu_quota,
            "TasksMax": self.tasks_max,
            "LimitNOFILE": self.open_files,
        }
        return ["%s=%s" % (name, value) for name, value in names.items() if value]


@dataclass(frozen=True)
class Server:
    """A wanted server.

    Parameters
    ----------
    port
        The TCP port on ``address``; None for a socket of the user's own.
    root_dir
        The folder that the file browser shows.
    on_demand
        Whether it runs only while somebody uses it.
    settings
        Jupyter's, class by class.
    hosts
        Hosts that it answers for besides the loopback addresses; empty for any.
    own_hosts
        Hosts that browsers reach over TLS and that belong to this server only.
    """

    account: Account
    address: str
    port: int | None
    base_url: str
    root_dir: str
    token: str
    hashed_password: str = ""
    on_demand: bool = False
    limits: Limits = field(default_factory=Limits)
    settings: Mapping[str, Any] = field(default_factory=dict)
    socket_group: tuple[str, int] | None = None
    certificate: str = ""
    key: str = ""
    hosts: Sequence[str] = ()
    own_hosts: Sequence[str] = ()

    @property
    def user(self) -> str:
        """Whose it is."""
        return self.account.name

    @property
    def socket(self) -> str | None:
        """Where it listens when it has no port."""
        return None if self.port else socket_of(self.user)

    def entry(self, folder: str) -> dict[str, Any]:
        """Return its entry in the list of all servers, which everybody may read."""
        return {
            "user": self.user,
            "scheme": "https" if self.certificate else "http",
            "address": self.address,
            "port": self.port,
            "socket": self.socket,
            "base_url": self.base_url,
            "token_file": os.path.join(folder, escape(self.user), "token"),
            "unit": instance(self.user, SERVICE),
            "on_demand": self.on_demand,
        }


def instance(user: str, template: str) -> str:
    """Return the name of a user's own instance of a template unit."""
    return template.replace("@", "@" + escape(user))


def socket_name(user: str) -> str:
    """Return a user's name in characters that are safe in ssh's configuration and in shells; no two users share one."""
    return re.sub(r"[^A-Za-z0-9_.@-]", _for_a_socket, user)


def socket_of(user: str) -> str:
    """Return where the server of a user listens that has no port."""
    return "%s/%s.sock" % (SOCKETS, socket_name(user))


def _for_a_socket(found: re.Match[str]) -> str:
    return "+" if found.group() == "\\" else "".join(map("=%02x".__mod__, found.group().encode()))


def base_url(user: str) -> str:
    """Return the path of a server among others, as browsers send it."""
    return "/user/%s/" % quote(user, safe="@")


def port_of(drop_in: str) -> int | None:
    """Return the port in the drop-in of a way in."""
    found = _PORT.search(drop_in)
    return int(found.group(1)) if found else None


def files(server: Server, folder: str) -> dict[str, Kept | None]:
    """Return all files of a server; None for one that it must not have."""
    uid, gid = server.account.uid, server.account.gid
    own = os.path.join(folder, escape(server.user))

    def secret(text: str) -> Kept | None:
        return Kept(text, 0o600, uid, gid) if text else None

    return {
        os.path.join(own, "settings.json"): Kept(json.dumps(settings(server, own), indent=2, sort_keys=True) + "\n"),
        os.path.join(own, "token"): secret(server.token),
        os.path.join(own, "password"): secret(server.hashed_password),
        os.path.join(own, "certificate.pem"): Kept(server.certificate) if server.certificate else None,
        os.path.join(own, "key.pem"): secret(server.key),
        drop_in(server.user, SERVICE): Kept(service_drop_in(server, own)),
        drop_in(server.user, WAY_IN): Kept(socket_drop_in(server)),
        drop_in(server.user, PROXY): Kept("%s\n[Service]\nUser=%s\n" % (MARK, value(server.user))),
    }


def drop_in(user: str, template: str) -> str:
    """Return the path of the drop-in for a user's own instance."""
    return os.path.join(UNITS, instance(user, template) + ".d", DROP_IN)


def settings(server: Server, own: str) -> dict[str, Any]:
    """Return Jupyter's settings: those that were asked for, overridden by this server's own."""
    local = "/run/jupyter-%s/server.sock" % escape(server.user)
    merged = {name: dict(values) for name, values in server.settings.items()}
    application = merged.setdefault("ServerApp", {})
    application.update(base_url=server.base_url, root_dir=server.root_dir, sock=local)
    if server.certificate:
        application.update(certfile=os.path.join(own, "certificate.pem"), keyfile=os.path.join(own, "key.pem"))
    if not server.on_demand:
        application["shutdown_no_activity_timeout"] = 0
    merged["NodeIdentityProvider"] = {"hosts": list(server.hosts), "own_hosts": list(server.own_hosts)}
    return merged


def service_drop_in(server: Server, own: str) -> str:
    """Return the drop-in of the server's unit."""
    home = server.account.home
    hidden = any((home + "/").startswith(place + "/") for place in _HOMES_OUT_OF_SIGHT)
    writable = [home] + [path for path in [server.root_dir] if not (path + "/").startswith(home + "/")]
    lines = [
        "[Service]",
        "User=%s" % value(server.user),
        "WorkingDirectory=%s" % value(home),
        "Environment=%s" % word("EVENKEEL_JUPYTER=%s" % own),
        "ProtectHome=%s" % ("tmpfs" if hidden else "yes"),
        *(["BindPaths=%s" % word(home)] if hidden else []),
        "ReadWritePaths=%s" % " ".join(map(word, writable)),
        # Shut down from the browser, or after its idle time, it ends with status 0.
        "Restart=%s" % ("on-failure" if server.on_demand else "always"),
        *server.limits.lines(),
    ]
    return "%s\n%s\n" % (MARK, "\n".join(lines))


def socket_drop_in(server: Server) -> str:
    """Return the drop-in that says where the server is reached."""
    if server.port:
        address = "[%s]" % server.address if ":" in server.address else server.address
        # The address may come later than the socket when the node boots.
        lines = ["ListenStream=%s:%d" % (address, server.port), "FreeBind=yes"]
    else:
        lines = ["ListenStream=%s" % server.socket, "SocketUser=%s" % value(server.user)]
        lines += ["SocketGroup=%s" % server.socket_group[0], "SocketMode=0660"] if server.socket_group else []
        lines += [] if server.socket_group else ["SocketMode=0600"]
    return "%s\n[Socket]\n%s\n" % (MARK, "\n".join(lines))
