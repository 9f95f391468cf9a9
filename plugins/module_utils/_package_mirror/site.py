# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a package mirror serves, to whom, and from where; its forms are strict, as it all goes into nginx's words."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without_user

_PART = r"[A-Za-z0-9_][A-Za-z0-9._+~-]*"
_PATH = re.compile(r"%s(?:/%s)*" % (_PART, _PART))
_BASE = re.compile(r"(?:/[A-Za-z0-9._+~-]+)*")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_USER = re.compile(r"[A-Za-z0-9_.@-]+")
#: As crypt(3) writes them with the methods that nginx takes on every distribution.
_HASH = re.compile(r"\$(?:5|6|y|apr1|2[aby])\$[A-Za-z0-9./$=,]+")
_FILE = re.compile(r"/[A-Za-z0-9._/+@-]+")
#: Paths that mean something else.
_TAKEN = ("healthz", "evenkeel")


@dataclass(frozen=True)
class Upstream:
    """Where what is below a path of the mirror comes from.

    Parameters
    ----------
    path
        Below the mirror's root, without slashes at its ends.
    url
        Without a slash at its end.
    pages
        Whether there are pages of a package index, which come in two forms, and whose links are rewritten.
    links
        How links in those pages begin, with a host or a path of the same one, and the path that they lead to instead.
    """

    path: str
    url: str
    pages: bool = False
    links: tuple[tuple[str, str], ...] = ()

    @property
    def origin(self) -> str:
        """The scheme and the host with its port."""
        parts = urlsplit(self.url)
        return "%s://%s" % (parts.scheme, parts.netloc)

    @property
    def authority(self) -> str:
        """The host with its port."""
        return urlsplit(self.url).netloc

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def base(self) -> str:
        """The path of the URL, empty or with a slash at its beginning."""
        return urlsplit(self.url).path


@dataclass(frozen=True)
class Site:
    """A package mirror.

    Parameters
    ----------
    certificate, key
        Files; empty for plain HTTP.
    inner_port
        Of loopback, where nginx asks the upstreams on behalf of its cache.
    allow
        Networks that need no password.
    users
        Whether others may come in with a password.
    redirects
        Hosts, besides those of the upstreams, that an upstream may redirect to.
    resolvers
        Addresses of name servers; none where no upstream has a name.
    ca_bundle
        The file of authorities that upstreams' certificates are checked with.
    copy
        The folder of a full copy, which is served in place of a cache; empty for a cache.
    """

    addresses: tuple[str, ...]
    port: int
    inner_port: int
    upstreams: tuple[Upstream, ...]
    cache: str
    size: int
    keep_days: int
    allow: tuple[str, ...] = ()
    users: bool = False
    certificate: str = ""
    key: str = ""
    redirects: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    ca_bundle: str = ""
    copy: str = ""

    @property
    def folder(self) -> str:
        """The folder that has what is served."""
        return self.copy or self.cache

    @property
    def verifies(self) -> bool:
        """Whether it may come to a server with TLS, by itself or by a redirect."""
        return bool(self.redirects) or any(one.url.startswith("https://") for one in self.upstreams)


def upstreams(given: Iterable[Mapping[str, Any]]) -> tuple[Upstream, ...]:
    """Return the upstreams that an option describes.

    Raises
    ------
    EvenkeelError
        One has a path or a URL that nginx could misunderstand, or two have one path.
    """
    found: dict[str, Upstream] = {}
    for one in given:
        links = tuple(sorted((one.get("links") or {}).items(), key=lambda link: (-len(link[0]), link)))
        upstream = Upstream(str(one["path"]).strip("/"), str(one["url"]).rstrip("/"), bool(one.get("pages")), links)
        require_right(upstream)
        if upstream.path in found:
            raise EvenkeelError(
                "%s has two upstreams, %s and %s" % (upstream.path, found[upstream.path].url, upstream.url),
                "Keep one of them in upstreams (package_mirror_upstreams of the role)",
            )
        found[upstream.path] = upstream
    if not found:
        raise EvenkeelError(
            "There is nothing to mirror",
            "Name upstreams (package_mirror_upstream and package_mirror_upstreams of the role)",
        )
    return tuple(found[path] for path in sorted(found))


def require_right(upstream: Upstream) -> None:
    """Refuse what is not a path or a URL without surprises; see ``upstreams``."""
    if not _PATH.fullmatch(upstream.path) or upstream.path.split("/")[0] in _TAKEN:
        raise EvenkeelError(
            "%r can't be a path of the mirror" % upstream.path,
            "Write it like debian or nvidia/cuda, of letters, digits and . _ + ~ -",
        )
    for url in (upstream.url, *(link for link, _unused in upstream.links)):
        if url == upstream.url or not (url.startswith("/") and _BASE.fullmatch(url)):
            require_url(url, "The upstream of %s" % upstream.path)


def require_url(url: str, what: str) -> None:
    """Refuse a URL that is not a plain one; see ``upstreams``."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.netloc[: -len(":%d" % port)] if port is not None else parts.netloc
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(host)
        or not _BASE.fullmatch(parts.path.rstrip("/"))
    ):
        raise EvenkeelError(
            "%s is %r, which is not a plain URL" % (what, without_user(url)),
            "Write it as https://HOST/PATH, without credentials and without escaped characters",
        )
    if parts.query or parts.fragment:
        raise EvenkeelError("%s is %r, which has a query" % (what, without_user(url)), "Write it without one")


def check(site: Site) -> None:
    """Refuse a site that nginx would misunderstand, or that serves nobody.

    Raises
    ------
    EvenkeelError
        Names the option.
    """
    if site.size < 1:
        raise EvenkeelError("size is %d" % site.size, "Set it (package_mirror_cache_size of the role) to 1 or more")
    if site.keep_days < 1:
        raise EvenkeelError(
            "keep_days is %d" % site.keep_days, "Set it (package_mirror_keep_days of the role) to 1 or more"
        )
    for network in site.allow:
        if not _is_network(network):
            raise EvenkeelError(
                "allow holds %r, which is not a network" % network,
                "Write networks (package_mirror_allow of the role) like 10.20.0.0/16",
            )
    if not site.allow and not site.users:
        raise EvenkeelError(
            "Nobody may use the mirror: allow and users are empty",
            "Name the nodes' networks (package_mirror_allow of the role), or users (package_mirror_users of the role)",
        )
    for host in site.redirects:
        if not _HOST.fullmatch(host):
            raise EvenkeelError(
                "redirects holds %r, which is not a host" % host,
                "Write host names (package_mirror_redirects of the role)",
            )
    for one in () if site.copy else site.upstreams:
        if one.url.startswith("https://") and host_names.is_address(one.host):
            raise EvenkeelError(
                "The upstream of %s is %s, and nginx can't check the certificate of an address" % (one.path, one.url),
                "Write the host's name (package_mirror_upstream and package_mirror_upstreams of the role)",
            )
    for address in (*site.addresses, *site.resolvers):
        if not host_names.is_address(address):
            raise EvenkeelError(
                "%r is not an IP address" % address,
                "Give addresses (package_mirror_addresses and package_mirror_resolvers of the role)",
            )
    if named(site.upstreams) and not site.resolvers and not site.copy:
        raise EvenkeelError(
            "The node has no name server, by which nginx would find %s" % ", ".join(named(site.upstreams)),
            "Name one (package_mirror_resolvers of the role), or write addresses into upstreams",
        )
    for path in (site.folder, site.ca_bundle or "/", site.certificate or "/", site.key or "/"):
        if path != "/" and not _FILE.fullmatch(path):
            raise EvenkeelError(
                "%r is not a plain absolute path" % path, "Write it with letters, digits and . _ / + @ -"
            )


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def named(upstreams: Iterable[Upstream]) -> list[str]:
    """Return the hosts of upstreams that are names and not addresses."""
    return sorted({one.host for one in upstreams if not host_names.is_address(one.host)})


def name_servers(resolv_conf: str) -> list[str]:
    """Return the name servers of the text of resolv.conf; one of a zone of IPv6 is left out, as nginx takes none."""
    found = re.findall(r"^nameserver\s+(\S+)\s*$", resolv_conf, re.MULTILINE)
    return [address for address in found if host_names.is_address(address) and "%" not in address]


def passwords(users: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of the file by which nginx knows users; empty where there are none.

    Raises
    ------
    EvenkeelError
        A name or a hash is none.
    """
    lines = {}
    for user in users:
        name, hashed = str(user["name"]), str(user["hash"])
        if not _USER.fullmatch(name):
            raise EvenkeelError(
                "users holds the name %r" % name,
                "Write it (package_mirror_users of the role) of letters, digits and _ . @ -",
            )
        if not _HASH.fullmatch(hashed):
            raise EvenkeelError(
                "The hash of the user %s is not one of crypt(3) that nginx takes" % name,
                "Make one with `openssl passwd -6`, and keep it with Ansible Vault",
            )
        lines[name] = "%s:%s\n" % (name, hashed)
    return "".join(lines[name] for name in sorted(lines))
