# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The front door: whose notebook server is reached by which name, and whether nginx serves so."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import base_url
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names, tls_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import NOTEBOOK_SERVERS, require_known

HEALTH = "/healthz"

_USER = re.compile(r"[^\x00-\x1f\x7f-\x9f/]+")
_BASE_URL = re.compile(r"/(?:[\w.@+:~%-]+/)*", re.ASCII)
_OF_BASE_URL = re.compile(r"/(?:(?!\.{1,2}/)[^\x00-\x1f\x7f/]+/)*")
# Nothing in these can end a word of nginx's, or begin a variable.
_PATH = re.compile(r"/(?:[\w.@+=:~\\-]+/)*(?:[\w.@+=:~\\-]+/?)?")
_HOST = re.compile(r"(?:\*\.)?[\w.:-]+")
_DOMAIN = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_ORIGIN = re.compile(r"https?://[\w.:\[\]-]+")
_ADDRESS = re.compile(r"[\da-fA-F.:]+")
_ANSWER_SECONDS = 10
#: Where nginx finds a server that is not there yet: the port discard.
_NOWHERE = "http://127.0.0.1:9"
_LONGEST_HOST = 253


class Damaged(EvenkeelError):
    """The list of notebook servers can't be understood."""


@dataclass(frozen=True)
class Server:
    """A notebook server.

    Parameters
    ----------
    base_url
        The path that it answers at, as browsers send it.
    upstream
        Where nginx finds it.
    """

    user: str
    base_url: str
    upstream: str

    @property
    def path(self) -> str:
        """The path as it is meant, which is what nginx compares."""
        return unquote(self.base_url, errors="surrogateescape")


@dataclass(frozen=True)
class Door:
    """What nginx is to do.

    Parameters
    ----------
    hosts
        Names and addresses that users type.
    domains
        Those that each user's own host name is below.
    share_origin
        Whether several users' servers are paths of the same hosts, so that a page of one can act as another.
    origins
        Origins elsewhere whose pages may use the servers.
    addresses
        Where it listens.
    port, http_port
        For TLS, and for the redirect from plain HTTP; 0 for no redirect.
    certificate, key
        Paths.
    max_body
        The largest request, in MiB.
    timeout
        How many seconds a connection may stay silent.
    logins_per_minute
        How often one address may try to log in.
    hsts_days
        For how many days browsers must use TLS only; 0 sends no such header.
    """

    hosts: tuple[str, ...]
    domains: tuple[str, ...]
    share_origin: bool
    origins: tuple[str, ...]
    addresses: tuple[str, ...]
    port: int
    http_port: int
    certificate: str
    key: str
    max_body: int
    timeout: int
    logins_per_minute: int
    hsts_days: int

    def url(self, host: str, path: str) -> str:
        """Return a URL as users type it."""
        port = "" if self.port == 443 else ":%d" % self.port
        return "https://%s%s%s" % (literal(host), port, path)


@dataclass(frozen=True)
class Site:
    """Hosts that are one origin each, and the servers below them; ``user`` is whose they are, where they are one's."""

    hosts: tuple[str, ...]
    servers: tuple[Server, ...]
    user: str = ""


def sites(door: Door, servers: Sequence[Server]) -> list[Site]:
    """Return what is reached by which names; several users get names of their own unless they share an origin."""
    if door.share_origin or len(servers) < 2:
        return [Site(door.hosts, tuple(servers))]
    return [
        Site(door.hosts, ()),
        *(Site(tuple(host_names.of_user(one.user, door.domains)), (one,), one.user) for one in servers),
    ]


def urls(door: Door, servers: Sequence[Server]) -> dict[str, str]:
    """Return where each user's server is reached."""
    return {
        server.user: door.url(site.hosts[0], server.base_url)
        for site in sites(door, servers)
        for server in site.servers
    }


def check(door: Door) -> None:
    """Refuse values that nginx would read as something else.

    Raises
    ------
    EvenkeelError
        There is no host or no address, or a value has another form.
    """
    for name, values, form in (
        ("hosts", door.hosts, _HOST),
        ("addresses", door.addresses, _ADDRESS),
        ("certificate and key", (door.certificate, door.key), _PATH),
    ):
        wrong = [value for value in values if not form.fullmatch(value)]
        if wrong or not values:
            raise EvenkeelError(
                "%s holds %s" % (name, ", ".join(map(repr, wrong)) or "nothing"),
                "Give DNS names, IP addresses or absolute paths without spaces and quotes",
            )
    for name, values, form, example in (
        ("user_domains", door.domains, _DOMAIN, "gpu1.example.com"),
        ("allowed_origins", door.origins, _ORIGIN, "https://portal.example.com"),
    ):
        wrong = [value for value in values if not form.fullmatch(value)]
        if wrong:
            raise EvenkeelError("%s holds %s" % (name, ", ".join(map(repr, wrong))), "Give values such as %s" % example)


def require_apart(door: Door, servers: Sequence[Server], certified: Sequence[str]) -> None:
    """Refuse several users whose servers can't have host names of their own.

    Parameters
    ----------
    certified
        What the certificate is for; empty where that is not known.

    Raises
    ------
    EvenkeelError
        There is no domain for them, a host of all that has none, two with one name, or a name that the certificate
        does not cover.
    """
    own = [site for site in sites(door, servers) if site.user]
    if not own:
        return
    flat = [host for host in door.hosts if host_names.is_address(host) or host.startswith("*.")]
    share = (
        "or set users_share_origin (front_door_users_share_origin of the role) to true, which lets pages of"
        " each user act as the other users"
    )
    if flat or not door.domains:
        raise EvenkeelError(
            "Several users have notebook servers, and each needs a host name of its own, which %s can't have below it"
            % ", ".join(flat or door.hosts),
            "Name a host with a domain in hosts (front_door_hosts of the role), such as gpu1.example.com, and no"
            " addresses or wildcards; " + share,
        )
    whose: dict[str, str] = dict.fromkeys(door.hosts, "all users (hosts)")
    for site in own:
        for host in site.hosts:
            if host in whose:
                raise EvenkeelError(
                    "%s would be the host name of %s and of %s" % (host, whose[host], site.user),
                    "Set user_domains (front_door_user_domains of the role) to another domain",
                )
            if len(host) > _LONGEST_HOST:
                raise EvenkeelError(
                    "The host name of %s is longer than DNS allows: %s" % (site.user, host),
                    "Set user_domains (front_door_user_domains of the role) to a shorter one",
                )
            whose[host] = site.user
    lacking = [host for site in own for host in site.hosts if certified and not host_names.covers(certified, host)]
    if lacking:
        raise EvenkeelError(
            "The certificate %s is not for %s; it is for %s"
            % (door.certificate, ", ".join(lacking), ", ".join(certified)),
            "Get one for them, such as for %s, %s" % (", ".join("*.%s" % domain for domain in door.domains), share),
        )


def require_decided(door: Door, servers: Sequence[Server], moved: Sequence[str], *, decided: bool) -> None:
    """Refuse to change users' addresses before the operator has decided it.

    Parameters
    ----------
    moved
        The paths that are below the hosts of all users now and would not be any more.
    decided
        Whether the operator has set whether users share an origin.

    Raises
    ------
    EvenkeelError
        Addresses would change, and it is not decided.
    """
    new = urls(door, servers)
    leaving = [server for server in servers if server.path in moved]
    if decided or not leaving:
        return
    raise EvenkeelError(
        "All users of this front door share one host name, so that a page of one can act as any other. Each gets a host"
        " name of its own now, and these addresses change: %s. A server that waits for its kernels to end answers for"
        " its new address only after its restart; until then its user reaches it through SSH only. Nothing was changed"
        % "; ".join("%s -> %s" % (door.url(door.hosts[0], one.path), new[one.user]) for one in leaving),
        "Point %s to this node in DNS and set users_share_origin (front_door_users_share_origin of the role) to false;"
        " or set it to true, which keeps the old addresses and lets users act as each other"
        % " and ".join("*.%s" % domain for domain in door.domains),
    )


@dataclass(frozen=True)
class Serving:
    """What a running nginx shows: its certificate as DER, and its answer to a health check."""

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
    Damaged
        It is none.
    EvenkeelError
        A newer Evenkeel has written it.
    """
    try:
        content = json.loads(text)
        require_known(where, content, NOTEBOOK_SERVERS)
        entries = content["servers"]
        return [Server(entry["user"], entry["base_url"], _upstream(entry)) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(
            "%s is not a list of notebook servers: %r" % (where, error), "Run the role jupyter, which writes it"
        ) from error


def planned(paths: Mapping[str, str], servers: Sequence[Server]) -> list[Server]:
    """Return the servers that there will be, in the order of the list; where they are comes from those that there are.

    Parameters
    ----------
    paths
        Users, and the path of each one's server; empty for the usual one.
    """
    known = {server.user: server.upstream for server in servers}
    return [Server(user, path or base_url(user), known.get(user, _NOWHERE)) for user, path in sorted(paths.items())]


def require_paths(servers: Sequence[Server], where: str) -> None:
    """Require a path of its own for each server.

    Parameters
    ----------
    where
        Where the servers are listed.

    Raises
    ------
    EvenkeelError
        A server is at no path, or two are at one.
    """
    taken: dict[str, str] = {}
    for server in servers:
        well_formed = _BASE_URL.fullmatch(server.base_url) and _OF_BASE_URL.fullmatch(server.path)
        if not (_USER.fullmatch(server.user) and well_formed):
            raise EvenkeelError(
                "%s holds %s of %s" % (where, server.base_url, server.user),
                "Correct the user's base_url (in jupyter_users of the role jupyter): a path such as /user/NAME/",
            )
        if server.path in taken:
            raise EvenkeelError(
                "%s has the servers of %s and %s both at %s" % (where, taken[server.path], server.user, server.path),
                "Give each a base_url of its own",
            )
        taken[server.path] = server.user


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


def look(door: Door) -> Serving | None:
    """Return what the server at the door shows; None when none listens, or when it is not nginx with our files."""
    address = host_names.to_connect(door.addresses[0])
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
    """Whether a server shows what the files say; ``certificate`` is the text of its file."""
    return seen is not None and seen.health == health and seen.certificate == tls_files.first_of(certificate)
