# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda and Evenkeel note of an installation, without its time and its mirror: equal packages, equal notes."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, from_mapping

_TIME = re.compile(r"==> \d{4}-\d\d-\d\d \d\d:\d\d:\d\d <==")
_PACKAGE = re.compile(r"(?P<sign>[+-])\S+::(?P<stem>\S+)")
_HISTORY = os.path.join("conda-meta", "history")
#: Of the marker of a distribution.
_OF_MIRROR = ("url", "without_terms")


def environment(prefix: str, made: int) -> dict[str, str]:
    """Return the notes of an environment that Evenkeel has built, by their path.

    Parameters
    ----------
    made
        The time of the image, in seconds since 1970.
    """
    marker = json.loads(_read(os.path.join(prefix, generations.MARKER)))
    packages = {one.stem: one for one in map(from_mapping, marker["packages"]) if one.manager != PIP}
    texts = _records(prefix, packages)
    hashes = {os.path.basename(path): hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
    marker["records"] = {**(marker.get("records") or {}), **hashes}
    marker["created"] = _time(made).isoformat()
    marker["origin"] = {key: value for key, value in (marker.get("origin") or {}).items() if key != "sources"}
    texts[os.path.join(prefix, generations.MARKER)] = _json(marker)
    texts[os.path.join(prefix, _HISTORY)] = history(_read(os.path.join(prefix, _HISTORY)), packages, made)
    return texts


def distribution(home: str, made: int) -> dict[str, str]:
    """Return the notes of an installed distribution, by their path."""
    marker, past = os.path.join(home, generations.MARKER), os.path.join(home, _HISTORY)
    noted = {key: value for key, value in json.loads(_read(marker)).items() if key not in _OF_MIRROR}
    return {marker: _json(noted), past: history(_read(past), {}, made)}


def history(text: str, packages: Mapping[str, Package], made: int) -> str:
    """Return conda's history as it would be had all been done at one time, with the packages' own channels.

    >>> history("==> 2026-11-29 20:28:56 <==\\n+http://mirror/main/noarch::six-1.17.0-py_0\\n", {}, 0)
    '==> 1970-01-01 00:00:00 <==\\n+http://mirror/main/noarch::six-1.17.0-py_0\\n'
    """

    def own(line: str) -> str:
        match = _PACKAGE.fullmatch(line)
        package = packages.get(match["stem"]) if match else None
        return "%s%s::%s" % (match["sign"], _channel(package), match["stem"]) if match and package else line

    lines = _TIME.sub(_time(made).strftime("==> %Y-%m-%d %H:%M:%S <=="), text).split("\n")
    return "\n".join(map(own, lines))


def record(content: Mapping[str, Any], package: Package) -> dict[str, Any]:
    """Return conda's record of a package, with the package's own channel."""
    return {**content, "url": package.url, "channel": _channel(package)}


def _records(prefix: str, packages: Mapping[str, Package]) -> dict[str, str]:
    texts = {}
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", "*.json")):
        package = packages.get(os.path.basename(path)[: -len(".json")])
        if package and package.url:
            texts[path] = json.dumps(record(json.loads(_read(path)), package))
    return texts


def _channel(package: Package) -> str:
    return package.url.rpartition("/")[0]


def _json(content: object) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _time(made: int) -> datetime:
    return datetime.fromtimestamp(made, timezone.utc)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()
