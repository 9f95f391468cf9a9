# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""uv's own configuration on the control node: its files, and the proxies that they name."""

from __future__ import annotations

import contextlib
import os
import tomllib
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment


def configuration_home() -> Path:
    """Return where programs of this user have their configuration."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def paths() -> list[Path]:
    """Return uv's configuration files, there or not; the first counts most."""
    if os.environ.get("UV_NO_CONFIG"):
        return []
    if own := os.environ.get("UV_CONFIG_FILE"):
        return [Path(own)]
    return [configuration_home() / "uv" / "uv.toml", Path("/etc/uv/uv.toml")]


def contents() -> list[dict[str, Any]]:
    """Return what the files say; one that uv itself would refuse says nothing."""
    found = []
    for path in paths():
        with contextlib.suppress(OSError, ValueError):
            found.append(tomllib.loads(path.read_text(encoding="utf-8")))
    return found


def proxies(url: str) -> dict[str, str]:
    """Return the proxies, by scheme, through which uv asks for ``url``; the environment's count before its files'."""
    parts = urlsplit(url)
    found = getproxies_environment()
    proxy = found.get(parts.scheme) or found.get("all") or ""
    for content in [] if proxy else contents():
        of_file, direct = content.get(f"{parts.scheme}-proxy"), content.get("no-proxy")
        if isinstance(of_file, str):
            proxy, found = of_file, {"no": ",".join(map(str, direct))} if isinstance(direct, list) else {}
            break
    host = parts.netloc.rpartition("@")[2]
    if not proxy or urllib.request.proxy_bypass_environment(host, found):  # type: ignore[attr-defined]
        return {}
    return {parts.scheme: proxy}
