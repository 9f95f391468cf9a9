# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Indexes of conda's channels that name exactly the packages of a copy, with the channel's own records."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Mapping
from typing import Any

REPODATA = "repodata.json"
#: One format of conda's packages beside the other.
_KINDS = {".conda": "packages.conda", ".tar.bz2": "packages"}
_RECORD = re.compile(rb'"([^"\\\s]{1,300}\.(?:conda|tar\.bz2))"\s*:\s*(?=\{)')
#: How large a record may be.
_MOST_BYTES = 1 << 20
_WINDOW = 1 << 14


def records(path: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the records of packages by their file's name, as an index has them.

    An index has up to some hundred megabytes, so it is searched and not read as a whole.

    Parameters
    ----------
    path
        A ``repodata.json``.
    """
    wanted, found = set(names), {}
    with open(path, "rb") as stream:
        if not stream.read(1):
            return {}
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for match in _RECORD.finditer(content):
                name = match[1].decode("utf-8", "replace")
                if name in wanted and name not in found:
                    record = _object(content, match.end())
                    # Signatures stand below the same names.
                    if isinstance(record.get("name"), str) and isinstance(record.get("version"), str):
                        found[name] = record
    return found


def _object(content: mmap.mmap, start: int) -> dict[str, Any]:
    size = _WINDOW
    while size <= _MOST_BYTES:
        text = content[start : start + size].decode("utf-8", "ignore")
        try:
            found = json.JSONDecoder().raw_decode(text)[0]
        except ValueError:
            size *= 2
            continue
        return found if isinstance(found, dict) else {}
    return {}


def index(subdir: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the index of a folder of a channel that has these packages; the same text for the same packages."""
    content: dict[str, Any] = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}}
    for name, record in found.items():
        kind = next(kind for ending, kind in _KINDS.items() if name.endswith(ending))
        content[kind][name] = dict(record)
    content.update({"removed": [], "repodata_version": 1})
    return json.dumps(content, sort_keys=True, separators=(",", ":")) + "\n"


def folders(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of packages by their folder, and ``noarch`` beside each, which conda always asks for.

    >>> folders(["anaconda/pkgs/main/linux-64/a-1-0.conda"])
    {'anaconda/pkgs/main/linux-64': ['a-1-0.conda'], 'anaconda/pkgs/main/noarch': []}
    """
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        folder, _slash, name = path.rpartition("/")
        found.setdefault(folder, []).append(name)
    for folder in list(found):
        found.setdefault("%s/noarch" % folder.rpartition("/")[0], [])
    return found
