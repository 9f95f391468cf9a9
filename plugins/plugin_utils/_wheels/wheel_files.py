# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether the files of a wheel stay below its folder, and are what its METADATA and RECORD say.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from itertools import takewhile
from pathlib import Path, PurePosixPath

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional

with optional():
    from packaging.markers import InvalidMarker, Marker
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

#: Of all files together, and of METADATA and RECORD each.
_MOST_BYTES, _MOST_TEXT_BYTES = 32 << 30, 64 << 20
_CHUNK_BYTES = 1 << 20
_SHA256 = "sha256="
#: Versions, and a name before them, as old releases write them and uv still reads them: ``six (>=1.0.*)``.
_OLD_VERSIONS = re.compile(r"""\(?\s*(([<>=~]=?=?|!==?)\s*["']?(\d+!)?[\w.*+-]+["']?\s*(,\s*)?)+\)?""")
_OLD_NAME = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?\s*(\[[\w.,\s-]*\]\s*)?(?=[(<>=!~])")


def require_consistent(wheel: Path, name: str, version: str) -> None:
    """Fail where a wheel's files are not those of one release.

    Parameters
    ----------
    wheel
        The file.
    name, version
        Of the release, as the wheel's own name has them.

    Raises
    ------
    ValueError
        A file leads out of the wheel's folder, METADATA is of another release or has a line that no resolver reads,
        RECORD lists what is not there, or the archive is malformed.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            _require_inside(archive)
            about = _dist_info(archive)
            _require_own_metadata(_text(archive, f"{about}/METADATA"), name, version)
            _require_own_record(archive, _text(archive, f"{about}/RECORD"))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"malformed archive: {error}") from None


def _require_inside(archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
            raise ValueError(f"its file {name!r} leads out of its folder")
    if len(set(names)) < len(names):
        raise ValueError("it has two files of the same name")
    if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
        raise ValueError(f"its files have more than {_MOST_BYTES} bytes")


def _dist_info(archive: zipfile.ZipFile) -> str:
    found = sorted({name.split("/")[0] for name in archive.namelist() if name.split("/")[0].endswith(".dist-info")})
    if len(found) != 1:
        raise ValueError(f"it has {len(found)} folders *.dist-info, not one")
    return found[0]


def _text(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    if entry.file_size > _MOST_TEXT_BYTES:
        raise ValueError(f"its {name} has more than {_MOST_TEXT_BYTES} bytes")
    return archive.read(entry)


def _require_own_metadata(metadata: bytes, name: str, version: str) -> None:
    headers = BytesHeaderParser().parsebytes(metadata)
    own, its = str(headers.get("Name", "")).strip(), str(headers.get("Version", "")).strip()
    try:
        same = canonicalize_name(own) == canonicalize_name(name) and Version(its) == Version(version)
    except InvalidVersion:
        same = False
    if not same and headers.defects:
        lines = metadata.decode(errors="replace").splitlines()
        number = 1 + sum(1 for _line in _header_lines(lines))
        raise ValueError(f"line {number} of its METADATA, {lines[number - 1]!r}, is not FIELD: VALUE")
    if not same:
        raise ValueError(f"its METADATA is of {own or 'no name'} {its}".rstrip())
    _require_readable(headers, metadata)


def _require_readable(headers: Message, metadata: bytes) -> None:
    """Fail on the first line that resolvers refuse the whole wheel for."""
    named = str(headers["Name"])
    if named != named.strip():
        raise _bad_line(metadata, "Name", named, "ends with a space")
    for text in map(str, headers.get_all("Requires-Dist", ())):
        if not _is_requirement(text):
            raise _bad_line(metadata, "Requires-Dist", text, "is no requirement")
    for text in map(str, headers.get_all("Requires-Python", ())):
        if not _are_versions(text):
            raise _bad_line(metadata, "Requires-Python", text, "names no versions")


def _bad_line(metadata: bytes, field: str, value: str, why: str) -> ValueError:
    value = value.splitlines()[0] if value else value
    for number, line in enumerate(metadata.decode(errors="replace").splitlines(), start=1):
        key, colon, rest = line.partition(":")
        if colon and key.lower() == field.lower() and rest.lstrip(" \t") == value:
            return ValueError(f"line {number} of its METADATA, {line!r}, {why}")
    return ValueError(f"its METADATA has {f'{field}: {value}'!r}, which {why}")


def _header_lines(lines: Iterable[str]) -> Iterator[str]:
    return takewhile(re.compile(r"[^:\s]+:|[ \t]").match, lines)


def _is_requirement(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        needed, semicolon, marker = text.partition(";")
        name = _OLD_NAME.match(needed)
        return bool(name and _are_versions(needed[name.end() :]) and (not semicolon or _is_marker(marker)))
    return True


def _is_marker(text: str) -> bool:
    try:
        Marker(text)
    except InvalidMarker:
        return False
    return True


def _are_versions(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return _OLD_VERSIONS.fullmatch(text.strip()) is not None
    return True


def _require_own_record(archive: zipfile.ZipFile, record: bytes) -> None:
    known = set(archive.namelist())
    try:
        rows = [row for row in csv.reader(io.StringIO(record.decode())) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"its RECORD is malformed: {error}") from None
    for path, said in ((row[0], row[1] if len(row) > 1 else "") for row in rows):
        if path not in known:
            raise ValueError(f"its RECORD lists {path!r}, which is not in it")
        if said.startswith(_SHA256) and said.removeprefix(_SHA256) != _digest(archive, path):
            raise ValueError(f"its RECORD has another hash of {path!r} than the file")


def _digest(archive: zipfile.ZipFile, path: str) -> str:
    digest = hashlib.sha256()
    with archive.open(path) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
