# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Ansible's way to open a URL, imported when it is first used: most runs open none, and the import takes long."""

from __future__ import annotations

import netrc
import os
from typing import Any
from urllib.parse import urlsplit


def open_url(url: str, **options: Any) -> Any:
    """Open a URL as ``ansible.module_utils.urls.open_url`` does.

    A login of netrc is sent to the URL's own host alone; Ansible would send it to where that one redirects, too.
    """
    from ansible.module_utils import urls

    headers = dict(options.pop("headers", None) or {})
    user, password = _login(url)
    if user and password:
        headers["Authorization"] = urls.basic_auth_header(user, password)
    return urls.open_url(url, headers=headers, use_netrc=False, unredirected_headers=["Authorization"], **options)


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
