# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit files: exact package URLs, each with a hash or without."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import rattler

from .channels import SUBDIRS
from .errors import CondaValueError, ParseError
from .package_cache import PackageCache
from .records import Record

MARKER = "@EXPLICIT"
LINE = re.compile(r"^(?P<url>[^#\s]+?)(?:#(?:(?P<md5>[0-9a-f]{32})|(?:sha256:)?(?P<sha256>[0-9a-f]{64})))?$")
FILE = re.compile(r"^(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)(?:\.conda|\.tar\.bz2)$")


def is_explicit(lines: Iterable[str]) -> bool:
    """Whether lines of a file list exact URLs."""
    return MARKER in lines


def read_lines(path: Path) -> list[str]:
    """Return the lines of a requirements file without comments."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except FileNotFoundError as error:
        raise CondaValueError(f"could not read file: {path}") from error
    return [line for line in lines if line and not line.startswith("#")]


def parse(lines: Iterable[str]) -> list[Record]:
    """Return the packages in the lines of an explicit file."""
    return [parse_line(line) for line in lines if line != MARKER]


def parse_line(line: str) -> Record:
    """Return the parts of one line: URL, hash, and those of the file's name.

    Raises
    ------
    ParseError
        It is no URL of a package.
    """
    match = LINE.match(line)
    url = (match["url"] if match else line) if "://" in line or not match else Path(match["url"]).absolute().as_uri()
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    parts = FILE.match(name)
    if not match or not parts:
        raise ParseError(f"Could not parse explicit URL: {line}")
    subdir = urlsplit(url).path.split("/")[-2]
    record = {"url": url, "fn": name, "subdir": subdir if subdir in SUBDIRS else "noarch", **parts.groupdict()}
    return record | {kind: match[kind] for kind in ("md5", "sha256") if match[kind]}


async def complete(record: Record, cache: PackageCache, hashes: Mapping[str, str]) -> rattler.RepoDataRecord:
    """Return the full record of a package of an explicit file.

    Parameters
    ----------
    hashes
        Those of its archive, if it was fetched now; it is unpacked in ``cache`` already if not.
    """
    channel = record["url"].rpartition("/")[0]
    if hashes:
        full = await rattler.RepoDataRecord.from_package_archive(cache.archive(record))
        full.url, full.channel = record["url"], channel
        full.md5 = bytes.fromhex(hashes["md5"])
        return full
    note = cache.remembered(record) or {}
    index = rattler.PackageRecord.from_index_json(
        cache.extracted(record) / "info" / "index.json",
        size=note.get("size"),
        sha256=note.get("sha256"),
        md5=note.get("md5"),
    )
    return rattler.RepoDataRecord(index, record["fn"], record["url"], channel)


def as_spec(record: Record, channel: str) -> str:
    """Return the exact specification that conda notes for a package of an explicit file."""
    return f"{channel}/{record['subdir']}::{record['name']}=={record['version']}={record['build']}"
