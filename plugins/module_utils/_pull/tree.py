# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a commit would put on the disk, and what of it is refused: submodules, and links that lead out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LINK, SUBMODULE = "120000", "160000"
_FILES = ("100644", "100755", "100664")
#: As many links as Linux follows on the way to one file.
_MOST_LINKS = 40
#: How many problems a message names.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Entry:
    """A file, a link or a submodule of a commit.

    Parameters
    ----------
    size
        Bytes; 0 for a submodule.
    """

    mode: str
    name: str
    path: str
    size: int


def parse(listed: str) -> list[Entry]:
    """Read ``git ls-tree -r -z --long --full-tree``."""
    entries = []
    for line in filter(None, listed.split("\0")):
        head, _tab, path = line.partition("\t")
        mode, _kind, name, size = head.split()
        entries.append(Entry(mode, name, path, int(size) if size.isdigit() else 0))
    return entries


def problems(entries: Iterable[Entry], links: Mapping[str, str]) -> list[str]:
    """Return why a commit is refused, each a part of a sentence.

    Parameters
    ----------
    links
        Where each link of the commit leads, by its path.
    """
    found = []
    for entry in entries:
        if entry.mode == SUBMODULE:
            found.append("%s is a submodule" % entry.path)
        elif entry.mode == LINK:
            if not stays_inside(entry.path, links):
                found.append("the link %s leads out of the repository, to %s" % (entry.path, links[entry.path]))
        elif entry.mode not in _FILES:
            found.append("%s has the mode %s" % (entry.path, entry.mode))
    more = len(found) - _MOST_NAMED
    return [*found[:_MOST_NAMED], *(["%d more" % more] if more > 0 else [])]


def stays_inside(path: str, links: Mapping[str, str]) -> bool:
    """Whether following a link, and the links on its way, never leaves the repository's folder."""
    place: list[str] = []
    todo = path.split("/")
    followed = 0
    while todo:
        part = todo.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not place:
                return False
            place.pop()
            continue
        place.append(part)
        target = links.get("/".join(place))
        if target is None:
            continue
        followed += 1
        if target.startswith("/") or followed > _MOST_LINKS:
            return False
        place.pop()
        todo = target.split("/") + todo
    return True
