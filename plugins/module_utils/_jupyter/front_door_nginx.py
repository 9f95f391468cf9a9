# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The front door's configuration of nginx: its blocks with values in place.

Only users' names and paths can hold characters that mean something to nginx; ``word`` makes one word of each. All other
values have the forms that ``door.check`` and ``door.parse`` require.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import front_door_blocks as blocks
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.door import (
    HEALTH,
    Door,
    Server,
    Site,
    literal,
    sites,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.nginx import word

_LOGIN = re.compile(r'location = "?(/.*)login"? \{')


def digest(door: Door, servers: Sequence[Server], certificate: str) -> str:
    """Return a hash that changes whenever nginx has to read something again."""
    return hashlib.sha256(repr((render(door, servers, ""), certificate)).encode()).hexdigest()[:16]


def below_all(text: str) -> set[str]:
    """Return the paths of servers that a configuration of ours has below the hosts of all users."""
    shared = [block for block in text.split("\nserver {\n") if "\n    server_name %s" % _OF_USER not in block]
    return {re.sub(r"\\(.)", r"\1", path) for block in shared for path in _LOGIN.findall(block)}


def render(door: Door, servers: Sequence[Server], health: str) -> str:
    """Return the configuration; ``health`` is nginx's answer to a health check."""
    places = sites(door, servers)
    shared = {
        "logs": blocks.LOGS,
        "tls": blocks.TLS % {"certificate": door.certificate, "key": door.key, "health_path": HEALTH, "health": health},
        "listen": _listen(door.addresses, door.port, " ssl"),
        "refused": blocks.REFUSED,
        "hsts": _hsts(door.hsts_days) if door.hsts_days else "",
        "max_body": door.max_body,
        "timeout": door.timeout,
    }
    origins = "".join('    "~^\\S* %s$" allowed;\n' % re.escape(origin) for origin in door.origins)
    parts = [blocks.MAPS % {"mark": MARK, "logins": door.logins_per_minute, "origins": origins}]
    parts.append(blocks.NOBODYS % {**shared, "listen": _listen(door.addresses, door.port, " ssl default_server")})
    if door.http_port:
        below = [_pattern(r"[^.]+", domain) for domain in door.domains if len(places) > 1]
        parts.append(
            blocks.PLAIN
            % {
                **shared,
                "listen": _listen(door.addresses, door.http_port, ""),
                "names": " ".join([*map(literal, door.hosts), *below]),
                "port": "" if door.port == 443 else ":%d" % door.port,
            }
        )
    parts += [
        blocks.SITE % {**shared, "names": _names(site), "locations": _locations(door, site, len(places) > 1)}
        for site in places
    ]
    return "".join(parts)


#: How nginx's names of a user's own hosts begin.
_OF_USER = '"~^'


def _names(site: Site) -> str:
    """Return hosts as nginx compares them: those of users as patterns, because plain names must not be long."""
    if not site.user:
        return " ".join(map(literal, site.hosts))
    return " ".join(
        _pattern(re.escape(label), domain) for label, _unused, domain in (one.partition(".") for one in site.hosts)
    )


def _pattern(label: str, domain: str) -> str:
    return '%s%s\\.%s$"' % (_OF_USER, label, domain.replace(".", "\\."))


def _listen(addresses: Sequence[str], port: int, options: str) -> str:
    return "".join("    listen %s:%d%s;\n" % (literal(address), port, options) for address in addresses)


def _hsts(days: int) -> str:
    return '    add_header Strict-Transport-Security "max-age=%d" always;\n' % (days * 86400)


def _locations(door: Door, site: Site, apart: bool) -> str:
    """Return the locations of a site; ``apart`` is whether users have hosts of their own."""
    text = "".join(
        blocks.SERVER % {"path": word(server.path), "login": word(server.path + "login"), "upstream": server.upstream}
        for server in site.servers
    )
    if site.user:
        return blocks.OWN % {"path": site.servers[0].base_url} + text
    if any(server.path == "/" for server in site.servers):
        return text
    example = door.url("NAME.%s" % door.domains[0], "/") if apart else door.url(door.hosts[0], "/user/NAME/")
    return blocks.FRONT % {"where": "Notebook servers are at %s" % example} + text
