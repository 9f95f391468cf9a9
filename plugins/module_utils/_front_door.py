# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""nginx before the notebook servers of a node: its configuration, and whether it serves by it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._text_files import MARK

HEALTH = "/healthz"

# Nothing in these can end a word of nginx's, or begin a variable.
_USER = re.compile(r"[\w.@+\\-]+")
_PATH = re.compile(r"/(?:[\w.@+:~\\-]+/)*(?:[\w.@+:~\\-]+/?)?")
_HOST = re.compile(r"(?:\*\.)?[\w.:-]+")
_ADDRESS = re.compile(r"[\da-fA-F.:]+")
_ANSWER_SECONDS = 10
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


@dataclass(frozen=True)
class Server:
    """A notebook server; ``upstream`` is where nginx finds it."""

    user: str
    path: str
    upstream: str


@dataclass(frozen=True)
class Door:
    """What nginx is to do.

    Parameters
    ----------
    hosts
        Names and addresses that people type.
    addresses
        Where it listens.
    port, http_port
        For TLS, and for those who forgot the s; 0 for no such.
    certificate, key
        Paths.
    max_body
        The largest request, in MiB.
    timeout
        How many seconds a connection may stay silent.
    logins_per_minute
        How often one address may try to log in.
    hsts_days
        How long browsers shall use TLS alone; 0 for no such word.
    """

    hosts: tuple[str, ...]
    addresses: tuple[str, ...]
    port: int
    http_port: int
    certificate: str
    key: str
    max_body: int
    timeout: int
    logins_per_minute: int
    hsts_days: int

    def url(self, path: str) -> str:
        """Return an address as people type it."""
        port = "" if self.port == 443 else ":%d" % self.port
        return "https://%s%s%s" % (literal(self.hosts[0]), port, path)


def check(door: Door) -> None:
    """Refuse what nginx would read as something else.

    Raises
    ------
    EvenkeelError
        No host or no address, or a word that is none.
    """
    for name, values, form in (
        ("hosts", door.hosts, _HOST),
        ("addresses", door.addresses, _ADDRESS),
        ("certificate and key", (door.certificate, door.key), _PATH),
    ):
        wrong = [value for value in values if not form.fullmatch(value)]
        if wrong or not values:
            raise EvenkeelError("%s holds %s" % (name, ", ".join(map(repr, wrong)) or "nothing"), "Mend that")


@dataclass(frozen=True)
class Serving:
    """What a running nginx shows: the certificate, as DER, and the answer to a question for its health."""

    certificate: bytes
    health: str


def literal(host: str) -> str:
    """Return a host as URLs have it.

    >>> literal("::1"), literal("gpu.example.com")
    ('[::1]', 'gpu.example.com')
    """
    return "[%s]" % host if ":" in host else host


def parse(text: str, where: str) -> list[Server]:
    """Read the list of notebook servers that the role jupyter writes.

    Raises
    ------
    EvenkeelError
        It is none, or two servers have one path.
    """
    mend = "Run the role jupyter, which writes it"
    try:
        entries = json.loads(text)["servers"]
        servers = [Server(entry["user"], unquote(entry["base_url"]), _upstream(entry)) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise EvenkeelError("%s is not a list of notebook servers: %r" % (where, error), mend) from error
    taken: dict[str, str] = {}
    for server in servers:
        if not (_USER.fullmatch(server.user) and _PATH.fullmatch(server.path) and server.path.endswith("/")):
            raise EvenkeelError("%s holds %s of %s" % (where, server.path, server.user), mend)
        if server.path in taken:
            raise EvenkeelError(
                "%s has the servers of %s and %s both at %s" % (where, taken[server.path], server.user, server.path),
                "Give each a base_url of its own",
            )
        taken[server.path] = server.user
    return servers


def _upstream(entry: Mapping[str, object]) -> str:
    """Return a server's place as nginx has it."""
    scheme, address, port, path = (entry[key] for key in ("scheme", "address", "port", "socket"))
    if scheme not in ("http", "https"):
        raise ValueError("scheme %s" % scheme)
    if port is None:
        if not _PATH.fullmatch(str(path)):
            raise ValueError("socket %s" % path)
        return "%s://unix:%s" % (scheme, path)
    if not _ADDRESS.fullmatch(str(address)):
        raise ValueError("address %s" % address)
    return "%s://%s:%d" % (scheme, literal(str(address)), int(str(port)))


def digest(door: Door, servers: Sequence[Server], certificate: str) -> str:
    """Return what changes whenever nginx has to read something anew."""
    return hashlib.sha256(repr((render(door, servers, ""), certificate)).encode()).hexdigest()[:16]


def render(door: Door, servers: Sequence[Server], health: str) -> str:
    """Return nginx's configuration; ``health`` is what it answers to those who ask for its health."""
    names = " ".join(map(literal, door.hosts))
    tls = """\
    ssl_certificate %s;
    ssl_certificate_key %s;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:evenkeel:1m;
    ssl_session_tickets off;
    server_tokens off;

    location = %s {
        default_type text/plain;
        return 200 "%s\\n";
    }
""" % (door.certificate, door.key, HEALTH, health)
    return """\
%(mark)s
# JupyterLab behind TLS. What is asked of another name, or of a path that is nobody's, is not found.

map $http_upgrade $evenkeel_connection {
    default upgrade;
    "" "";
}

# Only attempts to log in are counted.
map $request_method $evenkeel_login {
    default "";
    POST $binary_remote_addr;
}
limit_req_zone $evenkeel_login zone=evenkeel_login:1m rate=%(logins)dr/m;

server {
%(listen_default)s    server_name _;
%(tls)s
    location / {
        return 404;
    }
}
%(redirect)s
server {
%(listen)s    server_name %(names)s;
%(tls)s%(hsts)s
    client_max_body_size %(max_body)dm;
    limit_req_status 429;
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_read_timeout %(timeout)ds;
    proxy_send_timeout %(timeout)ds;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $evenkeel_connection;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Scheme https;

    error_page 502 504 @evenkeel_silent;
    location @evenkeel_silent {
        default_type text/plain;
        return 502 "This notebook server does not answer. It may be starting: try again; or ask who runs the node.\\n";
    }
%(front)s%(servers)s}
""" % {
        "mark": MARK,
        "logins": door.logins_per_minute,
        "listen": _listen(door.addresses, door.port, " ssl"),
        "listen_default": _listen(door.addresses, door.port, " ssl default_server"),
        "names": names,
        "tls": tls,
        "redirect": _redirect(door, names) if door.http_port else "",
        "hsts": _hsts(door.hsts_days) if door.hsts_days else "",
        "max_body": door.max_body,
        "timeout": door.timeout,
        "front": "" if any(server.path == "/" for server in servers) else _front(door),
        "servers": "".join(map(_locations, servers)),
    }


def _listen(addresses: Sequence[str], port: int, options: str) -> str:
    return "".join("    listen %s:%d%s;\n" % (literal(address), port, options) for address in addresses)


def _redirect(door: Door, names: str) -> str:
    return """
server {
%s    server_name %s;
    server_tokens off;
    return 301 https://$host%s$request_uri;
}
""" % (_listen(door.addresses, door.http_port, ""), names, "" if door.port == 443 else ":%d" % door.port)


def _hsts(days: int) -> str:
    return '    add_header Strict-Transport-Security "max-age=%d" always;\n' % (days * 86400)


def _front(door: Door) -> str:
    return """
    location / {
        return 404;
    }
    location = / {
        default_type text/plain;
        return 200 "Notebook servers are at %s\\n";
    }
""" % door.url("/user/NAME/")


def _locations(server: Server) -> str:
    return """
    location %(path)s {
        proxy_pass %(upstream)s;
    }
    location = %(path)slogin {
        limit_req zone=evenkeel_login burst=5 nodelay;
        proxy_pass %(upstream)s;
    }
""" % {"path": server.path, "upstream": server.upstream}


def look(door: Door) -> Serving | None:
    """Return what whoever listens at the door shows, or None where nobody does, or no nginx of ours."""
    address = _EVERYWHERE.get(door.addresses[0], door.addresses[0])
    name = door.hosts[0].replace("*", "any", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is compared with the one that should be there
    connection = http.client.HTTPConnection(name, door.port, timeout=_ANSWER_SECONDS)
    try:
        channel = socket.create_connection((address, door.port), _ANSWER_SECONDS)
        with context.wrap_socket(channel, server_hostname=name) as secured:
            certificate = secured.getpeercert(binary_form=True) or b""
            connection.sock = secured
            connection.request("GET", HEALTH)
            answer = connection.getresponse().read().decode(errors="replace")
            return Serving(certificate, answer.strip())
    except (OSError, http.client.HTTPException):
        return None


def serves(seen: Serving | None, health: str, certificate: str) -> bool:
    """Tell whether what is seen is what the files say; ``certificate`` is the text of its file."""
    return seen is not None and seen.health == health and seen.certificate == first_certificate(certificate)


def first_certificate(text: str) -> bytes:
    """Return the first certificate of a file in PEM, as DER; nothing where there is none."""
    _, begin, rest = text.partition("-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition("-----END CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(begin + body + end) if begin and end else b""


def require_selinux_allows(root: str = "/sys/fs/selinux") -> None:
    """Refuse a node whose SELinux keeps nginx from the notebook servers.

    Raises
    ------
    EvenkeelError
        It does.
    """
    boolean = "httpd_can_network_connect"
    enforced, allowed = (_text(os.path.join(root, name)) for name in ("enforce", "booleans/%s" % boolean))
    if enforced.strip() == "1" and allowed[:1] == "0":
        raise EvenkeelError(
            "SELinux does not let nginx connect to the notebook servers", "Allow it: setsebool -P %s on" % boolean
        )


def _text(path: str) -> str:
    try:
        with open(path) as stream:
            return stream.read()
    except OSError:
        return ""
