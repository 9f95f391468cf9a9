# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package mirror's configuration of nginx: its blocks, with values of the forms that ``site`` requires."""

from __future__ import annotations

import hashlib
import math
import re

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import host_names
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import nginx_blocks as blocks
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import nginx_copy
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror.site import Site, Upstream

HEALTH = "/healthz"
LOG = "/var/log/nginx/evenkeel-package-mirror.log"
ERRORS = "/var/log/nginx/evenkeel-package-mirror-error.log"
PASSWORDS = "/etc/evenkeel/package_mirror/users"
#: Is there while the disk has no room for more.
FULL = "/run/evenkeel-package-mirror.full"
#: How much of a package is fetched at a time. Those who wait for it get nothing meanwhile, and pip gives up after 15 s;
#: each piece costs a connection to the upstream.
SLICE = "2m"
#: Keys of files in a megabyte of memory.
_KEYS = 8000


def digest(site: Site, certificate: str, passwords: str) -> str:
    """Return a hash that changes whenever nginx has to read something again."""
    return hashlib.sha256(repr((render(site, ""), certificate, passwords)).encode()).hexdigest()[:16]


def render(site: Site, health: str) -> str:
    """Return the configuration; ``health`` is nginx's answer to a health check."""
    values = {
        "mark": MARK,
        "log": LOG,
        "errors": ERRORS,
        "full": FULL,
        "cache": site.cache,
        "size": site.size,
        "keep": site.keep_days,
        # Half of them for files smaller than a slice.
        "keys": max(16, math.ceil(2 * 1024 * site.size / _KEYS)),
        "slice": SLICE,
        "inner": "127.0.0.1:%d" % site.inner_port,
        "immutable": blocks.IMMUTABLE,
        "signed": blocks.SIGNED,
        "belonging": blocks.BELONGING,
        "health_path": HEALTH,
        "health": health,
        "front": "".join("/%s/  %s\\n" % (one.path, one.url) for one in site.upstreams),
        "redirects": _redirects(site),
        "realm": _realm(site) if site.users else "",
        "listen": _listen(site),
        "tls": _tls(site) + _access(site),
        "resolver": "    resolver %s valid=30s;\n" % " ".join(map(_literal, site.resolvers)) if site.resolvers else "",
        "verify": _verify(site) if site.verifies else "",
    }
    if site.copy:
        return nginx_copy.render(values, site.copy)
    pages = "".join(blocks.PAGES % {**values, "path": one.path} for one in site.upstreams if one.pages)
    return "".join(
        (
            blocks.MAPS % values,
            blocks.CLIENTS % {**values, "pages": pages},
            blocks.INNER % {**values, "upstreams": "".join(map(_upstream, site.upstreams))},
        )
    )


def _upstream(upstream: Upstream) -> str:
    rewritten = "".join(_rewritten(*link) for link in upstream.links)
    return blocks.UPSTREAM % {
        "path": upstream.path,
        "pattern": re.escape(upstream.path),
        "origin": upstream.origin,
        "base": upstream.base,
        "url": upstream.url,
        "rewritten": (blocks.REWRITTEN + rewritten) if rewritten else "",
    }


def _rewritten(link: str, path: str) -> str:
    """Return the line that has links to another host, or those that begin with a path, lead to a path of the mirror."""
    before = '"' if link.startswith("/") else ""
    return "        sub_filter '%s%s/' '%s/%s/';\n" % (before, link, before, path)


def _redirects(site: Site) -> str:
    """Return the lines of a map that let redirects through to the hosts of upstreams, and to further ones over TLS."""
    own = sorted({one.origin for one in site.upstreams})
    moved_to_tls = [origin.replace("http://", "https://", 1) for origin in own if site.verifies]
    further = ["https://%s" % host for host in site.redirects]
    line = '    "~^%s/" $upstream_http_location;\n'
    return "".join(line % re.escape(origin) for origin in dict.fromkeys([*own, *moved_to_tls, *further]))


def _listen(site: Site) -> str:
    options = " ssl" if site.certificate else ""
    return "".join(
        "    listen %s:%d%s default_server;\n" % (_literal(address), site.port, options) for address in site.addresses
    )


def _literal(address: str) -> str:
    return "[%s]" % address if ":" in address else address


def _tls(site: Site) -> str:
    return blocks.TLS % {"certificate": site.certificate, "key": site.key} if site.certificate else ""


def _realm(site: Site) -> str:
    """Return who needs a password, and who does not."""
    networks = "".join("    %s off;\n" % network for network in site.allow)
    return 'geo $evenkeel_realm {\n    default "Packages";\n%s}\n' % networks


def _access(site: Site) -> str:
    if site.users:
        return "    auth_basic $evenkeel_realm;\n    auth_basic_user_file %s;\n" % PASSWORDS
    return "".join("    allow %s;\n" % network for network in site.allow) + "    deny all;\n"


def _verify(site: Site) -> str:
    return (
        "    proxy_ssl_verify on;\n    proxy_ssl_verify_depth 5;\n    proxy_ssl_trusted_certificate %s;\n"
        % site.ca_bundle
    )


def to_connect(site: Site) -> tuple[str, int]:
    """Return where a program of the node itself reaches the mirror."""
    return host_names.to_connect(site.addresses[0]), site.port
