# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Known vulnerabilities of Python's distributions, in OSV's format, from files that a user gives. Nothing is asked."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.json_values import is_moment, json_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from packaging.utils import canonicalize_name

ECOSYSTEM = "PyPI"
#: The largest advisory of an archive; a list of many in one file may be larger.
MOST_BYTES, MOST_FILE_BYTES = 16 << 20, 1 << 30
_ENDING, _OF_ARCHIVE = ".json", ".zip"
_BEGIN_OF_ARCHIVE = b"PK"
#: What Python raises for an archive that is damaged, encrypted or of an unknown kind.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, OverflowError, RuntimeError, ValueError),
)

#: What happens to a line of versions, such as ``introduced``, and at which version.
Event = tuple[str, str]
EVENTS = ("introduced", "fixed", "last_affected", "limit")


@dataclass(frozen=True)
class Advisory:
    """What one advisory says of one distribution."""

    id: str
    #: Its other ids, such as a CVE's.
    aliases: tuple[str, ...]
    summary: str
    severity: str
    #: The events of each range.
    ranges: tuple[tuple[Event, ...], ...]
    #: Affected ones that are listed.
    versions: frozenset[str]

    @property
    def ids(self) -> set[str]:
        return {self.id, *self.aliases}


@dataclass
class Advisories:
    """All that files say."""

    #: By the distribution's name, as Python normalises it.
    by_name: dict[str, list[Advisory]] = field(default_factory=dict)
    #: How many there are, those for other ecosystems and withdrawn ones among them.
    read: int = 0
    #: How many of them are for Python's distributions and not withdrawn.
    counted: int = 0
    withdrawn: int = 0
    #: When the newest of them was changed; empty where there is none.
    newest: str = ""
    #: File, and why it could not be understood.
    malformed: dict[str, str] = field(default_factory=dict)


def read(places: Iterable[Path]) -> Advisories:
    """Return the advisories in files, in folders with all that is below them, and in archives as OSV publishes them.

    What is malformed is named, and the rest counts.

    Raises
    ------
    EvenkeelError
        There is nothing in a place, or it can't be read at all.
    """
    found = Advisories()
    for place in places:
        before = found.read + len(found.malformed)
        for name, content in _contents(place, found.malformed):
            _add(found, name, content)
        if found.read + len(found.malformed) == before:
            raise EvenkeelError(
                f"{place} has no advisory (review_advisories)",
                "Name a JSON file in OSV's format, a folder of such files, or a zip archive as OSV publishes it",
            )
    return found


def _contents(place: Path, malformed: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    try:
        if place.is_dir():
            for path in _below(place):
                if path.suffix in (_ENDING, _OF_ARCHIVE):
                    yield from _of_file(path, malformed)
        else:
            yield from _of_file(place, malformed)
    except OSError as error:
        raise EvenkeelError(
            f"{error.filename or place}: {error.strerror} (review_advisories)",
            "Name files that are there and that you may read",
        ) from error


def _below(folder: Path) -> list[Path]:
    """Return the files below a folder. Raises an ``OSError`` where a folder is closed, which would hide some."""

    def fail(error: OSError) -> None:
        raise error

    return sorted(Path(at, name) for at, _folders, names in os.walk(folder, onerror=fail) for name in names)


def _of_file(path: Path, malformed: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    size = path.stat().st_size
    if not path.is_file():
        malformed[str(path)] = "It is no regular file"
        return
    with path.open("rb") as stream:
        if stream.read(len(_BEGIN_OF_ARCHIVE)) == _BEGIN_OF_ARCHIVE:
            yield from _of_archive(path, stream, malformed)
        elif size > MOST_FILE_BYTES:
            malformed[str(path)] = f"It is larger than {MOST_FILE_BYTES >> 20} MiB"
        else:
            stream.seek(0)
            yield str(path), stream.read()


def _of_archive(path: Path, stream: BinaryIO, malformed: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                name = f"{path}: {entry.filename}"
                if not entry.filename.endswith(_ENDING):
                    continue
                if entry.file_size > MOST_BYTES:
                    malformed[name] = f"It is larger than {MOST_BYTES >> 20} MiB"
                    continue
                try:
                    content = archive.read(entry)
                except _DAMAGED as error:
                    malformed[name] = _damage(error)
                else:
                    yield name, content
    except _DAMAGED as error:
        malformed[str(path)] = _damage(error)


def _damage(error: Exception) -> str:
    return f"It can't be unpacked: {error}"


def _add(found: Advisories, name: str, content: bytes) -> None:
    try:
        parsed = json_of(content)
    except ValueError as error:
        found.malformed[name] = f"It is no JSON: {error}"
        return
    for entry in parsed if isinstance(parsed, list) else [parsed]:
        try:
            _add_one(found, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            which = entry.get("id") if isinstance(entry, Mapping) else None
            place = f"{name}: {which}" if which and isinstance(parsed, list) else name
            found.malformed[place] = f"It is no advisory in OSV's format: {type(error).__name__}: {error}"


def _add_one(found: Advisories, entry: Mapping[str, Any]) -> None:
    modified = entry["modified"]
    if not is_moment(modified):
        raise ValueError(f"modified is {modified!r}")
    of_entry = _of_entry(entry) if not entry.get("withdrawn") else []
    for name, advisory in of_entry:
        found.by_name.setdefault(name, []).append(advisory)
    found.read += 1
    found.counted += bool(of_entry)
    found.withdrawn += bool(entry.get("withdrawn"))
    found.newest = max(found.newest, modified)


def _of_entry(entry: Mapping[str, Any]) -> list[tuple[str, Advisory]]:
    """Return what an advisory says of each distribution. Raises what a malformed one makes Python raise."""
    found: list[tuple[str, Advisory]] = []
    for affected in entry.get("affected") or ():
        package = affected.get("package") or {}
        if package.get("ecosystem", "").partition(":")[0] != ECOSYSTEM:
            continue
        advisory = Advisory(
            id=_text(entry["id"]),
            aliases=tuple(map(_text, entry.get("aliases") or ())),
            summary=_text(entry.get("summary") or (entry.get("details") or "").partition("\n")[0]),
            severity=_severity(entry),
            ranges=tuple(
                tuple(map(_event, one["events"]))
                for one in affected.get("ranges") or ()
                if one["type"] in ("ECOSYSTEM", "SEMVER")
            ),
            versions=frozenset(map(_text, affected.get("versions") or ())),
        )
        found.append((canonicalize_name(_text(package["name"])), advisory))
    return found


def _event(event: Mapping[str, Any]) -> Event:
    ((kind, version),) = event.items()
    if kind not in EVENTS:
        raise ValueError(f"there is no event {kind!r}")
    return kind, _text(version)


def _severity(entry: Mapping[str, Any]) -> str:
    """Return the severity in the words of the advisory: of GitHub's a word, else a vector of CVSS."""
    named = (entry.get("database_specific") or {}).get("severity")
    if isinstance(named, str):
        return named.lower()
    scores = [_text(one["score"]) for one in entry.get("severity") or ()]
    return scores[-1] if scores else ""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
