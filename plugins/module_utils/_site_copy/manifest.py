# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a site copy holds: its manifest, which names every file by its path, size and hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

FORMAT = 1
#: What a bundle and a former copy may hold is read with the same care as what a server sends.
MOST_BYTES = 256 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~!:=,%@^-]*")
_FIELDS = {"path": str, "size": int, "sha256": str, "url": str}


@dataclass(frozen=True, order=True)
class File:
    """A file of a copy.

    Parameters
    ----------
    path
        Below the root of the copy, as clients ask for it.
    url
        Where it came from, without credentials; empty for what was made here.
    """

    path: str
    size: int
    sha256: str
    url: str = ""


@dataclass(frozen=True)
class Manifest:
    """All of a copy.

    Parameters
    ----------
    wants
        What it was made for.
    made
        By which version, from which commit, and when.
    """

    wants: Mapping[str, Any]
    files: tuple[File, ...]
    made: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The manifest's file; equal manifests have the same text."""
        content = {
            "format": FORMAT,
            "wants": self.wants,
            "made": self.made,
            "files": [asdict(one) for one in sorted(self.files)],
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    @property
    def id(self) -> str:
        """The name of the copy."""
        return identity(self.text)

    @property
    def size(self) -> int:
        """The bytes of its files, each counted once."""
        return sum({one.sha256: one.size for one in self.files}.values())

    def holds_the_same(self, other: Manifest | None) -> bool:
        """Whether another has the same files for the same wants, whenever it was made."""
        return other is not None and self.files == other.files and self.wants == other.wants


def identity(text: str) -> str:
    """Return the name of the copy whose manifest has this text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def of(wants: Mapping[str, Any], files: Iterable[File], made: Mapping[str, str]) -> Manifest:
    """Return the manifest of files, of which one may be named more than once.

    Raises
    ------
    EvenkeelError
        Two files have one path, or a path leads elsewhere.
    """
    found: dict[str, File] = {}
    for one in files:
        require_right(one.path)
        other = found.setdefault(one.path, one)
        if other.sha256 != one.sha256:
            raise EvenkeelError(
                "Two files would be at %s: %s and %s" % (one.path, other.url or other.sha256, one.url or one.sha256),
                "Take one of them out of what the copy is to hold",
            )
    ordered = tuple(found[path] for path in sorted(found))
    for path in found:
        for above in _above(path):
            if above in found:
                raise EvenkeelError(
                    "%s would be a file, and the folder of %s" % (above, path),
                    "Take one of them out of what the copy is to hold",
                )
    return Manifest(wants, ordered, made)


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def require_right(path: str) -> None:
    """Refuse a path that leads out of the copy, or has another spelling.

    Raises
    ------
    EvenkeelError
        It names the path.
    """
    if not path or not all(map(_PART.fullmatch, path.split("/"))):
        raise EvenkeelError(
            "%r can't be the path of a file of the copy" % path,
            "Check what names it: a lock, a list of a repository, or the manifest of a bundle",
        )


def parse(text: str, where: str) -> Manifest:
    """Return the manifest that a text holds.

    Parameters
    ----------
    where
        The file that has it, for messages.

    Raises
    ------
    EvenkeelError
        It is damaged, a newer Evenkeel's, or names a file that can't be.
    """
    remedy = "Make the copy or the bundle anew"
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise EvenkeelError("%s is no manifest" % where, remedy) from None
    require_known(where, content, FORMAT)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise EvenkeelError("%s is no manifest" % where, remedy)
    wants, made, files = content.get("wants"), content.get("made"), content.get("files")
    if not isinstance(wants, dict) or not isinstance(made, dict) or not isinstance(files, list):
        raise EvenkeelError("%s lacks wants, made or files" % where, remedy)
    return of(wants, [_file(one, where) for one in files], made)


def _file(fields: Any, where: str) -> File:
    right = isinstance(fields, dict) and all(isinstance(fields.get(name), kind) for name, kind in _FIELDS.items())
    if not right or isinstance(fields["size"], bool) or fields["size"] < 0 or not _SHA256.fullmatch(fields["sha256"]):
        raise EvenkeelError("%s names a file wrongly: %r" % (where, fields), "Make the copy or the bundle anew")
    return File(**{name: fields[name] for name in _FIELDS})
