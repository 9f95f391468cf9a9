# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Credentials of package indexes, as the control node's configuration of uv and pip has them."""

from __future__ import annotations

import contextlib
import netrc
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import uv_files

#: A URL with a user, within any text.
_URL = re.compile(r"https?://[^\s\"'@/]+@[^\s\"'/,]+")
_PORTS = {"http": 80, "https": 443}
_VARIABLES = re.compile(r"(UV|PIP)_\w*(INDEX|FIND_LINKS)\w*")


def with_credentials(url: str, others: Iterable[str] = ()) -> str:
    """Return an index's URL with the user and password that there are for it; as it is without any.

    Those in the URL itself count first, then those in ``others``, further URLs, then ``netrc``, then uv's and pip's
    environment and configuration files. Those of another URL count where scheme, host and port are the same; netrc has
    only hosts.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return url
    known = _of_urls(others).get(_origin(url))
    user = known or _of_netrc(parts.hostname or "") or _configured().get(_origin(url), "")
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}")) if user else url


def user_and_password(url: str) -> tuple[str, str]:
    """Return both parts of a URL's credentials, decoded; empty where it has none."""
    parts = urlsplit(url)
    return unquote(parts.username or ""), unquote(parts.password or "")


def _of_netrc(host: str) -> str:
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc(os.environ.get("NETRC") or Path.home() / ".netrc").authenticators(host)
        if found:
            return _joined(found[0], found[2] or "")
    return ""


def _joined(user: str, password: str) -> str:
    return f"{quote(user, safe='')}:{quote(password, safe='')}"


def _origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL; its port is None where it is none."""
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", None


def _configured() -> dict[tuple[str, str, int | None], str]:
    """Return what stands before the ``@`` of configured URLs, by origin."""
    found = _of_urls(url for text in _texts() for url in _URL.findall(text))
    for name, url in _named_indexes():
        key = re.sub(r"[^A-Z0-9]", "_", name.upper())
        user = os.environ.get(f"UV_INDEX_{key}_USERNAME", "")
        password = os.environ.get(f"UV_INDEX_{key}_PASSWORD", "")
        if user or password:
            found.setdefault(_origin(url), _joined(user, password))
    return found


def _of_urls(urls: Iterable[str]) -> dict[tuple[str, str, int | None], str]:
    found: dict[tuple[str, str, int | None], str] = {}
    for url in urls:
        user = urlsplit(url).netloc.rpartition("@")[0]
        if user:
            found.setdefault(_origin(url), user)
    return found


def _texts() -> Iterator[str]:
    yield from (value for name, value in sorted(os.environ.items()) if _VARIABLES.fullmatch(name))
    for path in (*uv_files.paths(), *_pip_files()):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            yield path.read_text(encoding="utf-8")


def _named_indexes() -> Iterator[tuple[str, str]]:
    """Yield name and URL of uv's indexes that have a name."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX"):
        for entry in os.environ.get(variable, "").split():
            name, equals, url = entry.partition("=")
            if equals and "://" in url and "://" not in name:
                yield name, url
    for content in uv_files.contents():
        indexes = content.get("index")
        for index in indexes if isinstance(indexes, list) else []:
            if isinstance(index, dict) and index.get("name") and index.get("url"):
                yield str(index["name"]), str(index["url"])


def _pip_files() -> list[Path]:
    if own := os.environ.get("PIP_CONFIG_FILE"):
        return [Path(own)]
    return [
        uv_files.configuration_home() / "pip" / "pip.conf",
        Path.home() / ".pip" / "pip.conf",
        Path("/etc/pip.conf"),
    ]
