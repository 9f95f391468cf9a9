# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts without what names this machine or people; it runs on Python 3.9, and needs no package."""

from __future__ import annotations

import os
import platform
import pwd
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: Accounts of systems and of images, and hosts that are called as these, which are nobody's name.
_OF_NOBODY = frozenset(
    ["admin", "centos", "cloud-user", "debian", "ec2-user", "almalinux", "ops", "rocky", "root", "runner", "ubuntu"]
)
_NO_HOST = frozenset(["", "localhost", "localhost.localdomain"])
_SECRET = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "UUID"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])", re.IGNORECASE), "MAC"),
    (
        re.compile(r"\b(serial(?:[ _-]?(?:number|no\.?))?[\"']?\s*[:=]?\s*[\"']?)(?=\w*\d)[\w-]{6,}", re.IGNORECASE),
        r"\1…",
    ),
    # Signatures and tokens of URLs.
    (re.compile(r"(://[^\s?'\"]+)\?[^\s'\"]+"), r"\1?…"),
)
_HOME = re.compile(r"(?<![\w.])/home/[^/\s:,;'\"]+")
#: Folders whose paths are alike everywhere; all others may be named after people or their work.
_SYSTEM = r"(?:bin|boot|dev|etc|lib|lib64|proc|run|sbin|sys|usr|var/lib|var/run)"
_PATH = re.compile(rf"(?<![\w./])/(?!/)(?!{_SYSTEM}(?:/|\b(?![\w-])))[\w.~@+-][^\s:,;'\"]*|~/[^\s:,;'\"]+")


def impersonal(text: str) -> str:
    """Return a text without the names of this machine and of who runs this, homes, UUIDs and serial numbers."""
    plain = text
    for folder, instead in ((str(ROOT), "."), (os.path.expanduser("~"), "~")):  # noqa: PTH111 - Path raises without one
        if folder != "/":
            plain = re.sub(rf"(?<![\w.-]){re.escape(folder)}(?![\w-]|\.\w)", instead, plain)
    plain = _HOME.sub("~", plain)
    for pattern, instead in _SECRET:
        plain = pattern.sub(instead, plain)
    for names, instead in ((_hosts(), "HOST"), (_people(), "USER")):
        for name in sorted(names, key=len, reverse=True):
            plain = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", instead, plain)
    return plain


def without_paths(text: str) -> str:
    """Return a text without the folders that are not every system's own: of their paths the last name stays."""
    return _PATH.sub(lambda found: "…/" + found[0].rstrip("/").rpartition("/")[2], impersonal(text))


def last_name(place: str) -> str:
    """Return how a file or image of somebody's own is called: the rest of its path or URL may name hosts and people."""
    return re.split("[?#]", place)[0].rpartition("/")[2]


def mapped(value: Any) -> Any:
    """Return a value of JSON in which each text is impersonal and without paths."""
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, dict):
        return {key: mapped(item) for key, item in value.items()}
    return [mapped(item) for item in value] if isinstance(value, (list, tuple)) else value


def _hosts() -> set[str]:
    name = platform.node()
    return {one for one in (name, name.partition(".")[0]) if one not in _NO_HOST | _OF_NOBODY}


def _people() -> set[str]:
    names = {os.environ.get(name, "") for name in ("SUDO_USER", "USER", "LOGNAME")}
    with suppress(KeyError):
        names.add(pwd.getpwuid(os.getuid()).pw_name)
    return {name for name in names if name and name not in _OF_NOBODY}
