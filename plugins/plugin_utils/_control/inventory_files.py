# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files of variables that Ansible never reads, because no host or group has their name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: What Ansible takes off a file's name to get that of a host or group.
_EXTENSIONS = ("", ".yml", ".yaml", ".json")
#: Hosts that need not be in an inventory.
_IMPLICIT = frozenset({"localhost", "127.0.0.1", "::1"})
#: Larger files are not looked into, in bytes.
_LARGEST = 1 << 20


def unread(
    sources: Iterable[str], playbooks: Path, groups: Collection[str], hosts: Collection[str], prefixes: Iterable[str]
) -> list[str]:
    """Return a line for each file or directory of variables that belongs to no host or group.

    Only those count that set a variable with one of the prefixes, as plain text.

    Parameters
    ----------
    sources
        The inventory's files and directories, as Ansible's variable ``ansible_inventory_sources`` has them.
    playbooks
        The directory of the playbook.
    """
    sets_ours = re.compile(rf"^\s*[\"']?(?:{'|'.join(map(re.escape, prefixes))})\w*[\"']?\s*:", re.MULTILINE)
    lines = []
    for place in dict.fromkeys([*_directories(sources), playbooks]):
        for kind, known in (("group", set(groups)), ("host", {*hosts, *_IMPLICIT})):
            for path in _entries(place / f"{kind}_vars"):
                name = _name(path)
                if name not in known and any(sets_ours.search(text) for text in _texts(path)):
                    lines.append(_line(path, kind, name, known))
    return lines


def _directories(sources: Iterable[str]) -> Iterator[Path]:
    for source in sources:
        path = Path(source)
        if path.exists():
            yield path if path.is_dir() else path.parent


def _entries(place: Path) -> list[Path]:
    try:
        found = sorted(place.iterdir())
    except OSError:
        return []
    return [path for path in found if not path.name.startswith(".") and (path.is_dir() or path.suffix in _EXTENSIONS)]


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem if path.suffix in _EXTENSIONS[1:] else path.name


def _texts(path: Path) -> Iterator[str]:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        try:
            if file.is_file() and file.stat().st_size <= _LARGEST:
                yield file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue


def _line(path: Path, kind: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
    extension = "" if path.is_dir() else path.name.removeprefix(name)
    remedy = f"Rename it to {close[0]}{extension}" if close else f"Rename it, or add the {kind} to the inventory"
    return str(EvenkeelError(f"{path} has no effect: the inventory has no {kind} {name}", remedy))
