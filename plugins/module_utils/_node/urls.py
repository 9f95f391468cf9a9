# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Ansible's way to open a URL, imported when it is first used: most runs open none, and the import takes long.

Where there is no Ansible, as on the machine of a user, Python's own does.
"""

from __future__ import annotations

import base64
import netrc
import os
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPSHandler,
    Request,
    build_opener,
)


def open_url(url: str, **options: Any) -> Any:
    """Open a URL as ``ansible.module_utils.urls.open_url`` does.

    A login of netrc is sent to the URL's own host alone; Ansible would send it to where that one redirects, too.
    """
    headers = dict(options.pop("headers", None) or {})
    user, password = _login(url)
    if user and password:
        headers["Authorization"] = "Basic %s" % base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
    try:
        from ansible.module_utils import urls
    except ImportError:
        return _open(url, headers, **options)
    trust = _trust(urls.make_context, options.pop("ca_path", None))
    return urls.Request(context=trust).open(
        "GET", url, headers=headers, use_netrc=False, unredirected_headers=["Authorization"], **options
    )


def _open(
    url: str, headers: Mapping[str, str], timeout: float, ca_path: str | None = None, decompress: bool = False
) -> Any:
    """Open a URL with Python's library, which decompresses nothing."""
    parts = urlsplit(url)
    login, _at, host = parts.netloc.rpartition("@")
    place = urlunsplit(parts._replace(netloc=host))
    user, _colon, password = login.partition(":")
    logins = HTTPPasswordMgrWithDefaultRealm()
    if login:
        logins.add_password(None, place, unquote(user), unquote(password))
    request = Request(place)  # noqa: S310 - callers say which schemes they take
    for name, value in headers.items():
        (request.add_unredirected_header if name == "Authorization" else request.add_header)(name, value)
    trust = HTTPSHandler(context=_trust(ssl.create_default_context, ca_path))
    return build_opener(trust, HTTPBasicAuthHandler(logins)).open(request, timeout=timeout)


@lru_cache
def _trust(make: Callable[..., ssl.SSLContext], ca_path: str | None) -> ssl.SSLContext:
    """Return whom connections trust; reading the system's certificates takes 20 ms, also for a URL without TLS."""
    return make(cafile=ca_path)


def _login(url: str) -> tuple[str, str]:
    """Return user and password that netrc has for a URL; empty where it has none, or the URL has its own."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return "", ""
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
    except (OSError, netrc.NetrcParseError):
        return "", ""
    return (found[0], found[2] or "") if found else ("", "")
