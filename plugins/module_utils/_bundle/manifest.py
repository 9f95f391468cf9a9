# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a bundle says of itself: its site copy, the one before, and every file in it.

bundle.json, bundle.json.sig       this, and its signature
install.pyz                        the program for a control node that has nothing but Python
copies/<id>/manifest.json          the site copy's manifest
store/sha256/ab/<64 hex>           those files of the copy that the one before lacked
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

NAME, SIGNATURE, PROGRAM = "bundle.json", "bundle.json.sig", "install.pyz"
FORMAT = 1
MOST_BYTES = 256 << 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_COPY = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_STORED = re.compile(r"store/sha256/(?P<first>[0-9a-f]{2})/(?P<sha256>(?P=first)[0-9a-f]{62})")
_REMEDY = "Copy the bundle anew from where it was made, or make it anew with bundle.yml"


@dataclass(frozen=True, order=True)
class Entry:
    """A file of the bundle."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A bundle.

    Parameters
    ----------
    copy
        The name of its site copy.
    follows
        The name of the copy without whose files it is not whole; empty for a bundle that has all.
    made
        When, in UTC, such as ``2026-11-29T20:30:00Z``.
    version
        Of the collection that made it.
    commit
        Of the site's repository.
    files
        All but ``bundle.json`` and its signature.
    """

    copy: str
    follows: str
    made: str
    version: str
    commit: str
    files: tuple[Entry, ...]

    @property
    def text(self) -> str:
        """Return ``bundle.json``."""
        content = {"format": FORMAT, **asdict(self), "files": [asdict(one) for one in sorted(self.files)]}
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    @property
    def title(self) -> str:
        """Return its name, as the beginning of a sentence."""
        return "The bundle %s of %s" % (self.copy, self.made)

    @property
    def of_copy(self) -> str:
        """Return the path of the copy's manifest."""
        return copy_path(self.copy)


def copy_path(copy: str) -> str:
    """Return the path of a copy's manifest in a bundle."""
    return "copies/%s/manifest.json" % copy


def stored_path(sha256: str) -> str:
    """Return the path of a file of the copy in a bundle."""
    return "store/sha256/%s/%s" % (sha256[:2], sha256)


def parse(content: bytes, where: str) -> Bundle:
    """Read ``bundle.json``.

    Raises
    ------
    EvenkeelError
        It is none, a newer release has written it, or it names a file that can't be in a bundle.
    """
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise EvenkeelError("%s does not describe a bundle" % where, _REMEDY)
    require_known(where, read, FORMAT)
    texts: dict[str, Any] = {name: read.get(name) for name in ("copy", "follows", "made", "version", "commit")}
    right = (
        read.get("format") == FORMAT
        and all(isinstance(text, str) for text in texts.values())
        and _COPY.fullmatch(texts["copy"])
        and (not texts["follows"] or _COPY.fullmatch(texts["follows"]))
        and _TIME.fullmatch(texts["made"])
        and isinstance(read.get("files"), list)
    )
    if not right:
        raise EvenkeelError("%s does not describe a bundle" % where, _REMEDY)
    bundle = Bundle(**texts, files=tuple(_entry(fields, texts["copy"], where) for fields in read["files"]))
    paths = [one.path for one in bundle.files]
    lacking = {PROGRAM, bundle.of_copy}.difference(paths)
    if len(set(paths)) < len(paths) or lacking:
        what = "does not name %s" % ", ".join(sorted(lacking)) if lacking else "names a file twice"
        raise EvenkeelError("%s %s" % (where, what), _REMEDY)
    return bundle


def _entry(fields: Any, copy: str, where: str) -> Entry:
    if not isinstance(fields, Mapping) or set(fields) != {"path", "size", "sha256"}:
        raise EvenkeelError("%s has an entry that describes no file: %r" % (where, fields), _REMEDY)
    entry = Entry(fields["path"], fields["size"], fields["sha256"])
    right = (
        isinstance(entry.path, str)
        and isinstance(entry.size, int)
        and not isinstance(entry.size, bool)
        and entry.size >= 0
        and isinstance(entry.sha256, str)
        and _SHA256.fullmatch(entry.sha256)
    )
    stored = _STORED.fullmatch(entry.path) if right else None
    if not right or not (entry.path in (PROGRAM, copy_path(copy)) or (stored and stored["sha256"] == entry.sha256)):
        raise EvenkeelError("%s names %r, which can't be a file of a bundle" % (where, entry.path), _REMEDY)
    return entry
