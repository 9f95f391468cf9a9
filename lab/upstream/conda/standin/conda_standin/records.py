# SPDX-License-Identifier: GPL-3.0-or-later
"""Package records: read from an environment, and shown as conda's answers show them."""

from __future__ import annotations

import email.parser
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .channels import Channels

Record = dict[str, Any]

FETCH_FIELDS = (
    "name", "version", "build", "build_number", "channel", "subdir", "fn", "md5", "legacy_bz2_size", "url", "sha256",
    "arch", "platform", "depends", "constrains", "noarch", "license", "package_type", "timestamp", "size",
)  # fmt: skip
ABSENT_WHEN_EMPTY = ("noarch", "license", "package_type", "timestamp")


def installed(prefix: Path) -> list[Record]:
    """Return the conda packages of an environment, by name."""
    records = [json.loads(path.read_text()) for path in (prefix / "conda-meta").glob("*.json")]
    return sorted(records, key=lambda record: str(record["name"]))


def installed_by_pip(prefix: Path, conda_records: Iterable[Record]) -> list[Record]:
    """Return the Python distributions that no conda package of the environment owns, by name."""
    owned = {name for record in conda_records for name in record.get("files", ())}
    found = []
    for listing in prefix.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        if listing.relative_to(prefix).as_posix() in owned:
            continue
        metadata = listing.with_name("METADATA").read_text(errors="replace")
        header = email.parser.HeaderParser().parsestr(metadata)
        found.append(
            {
                "name": header["Name"].lower().replace("_", "-").replace(".", "-"),
                "version": header["Version"],
                "build": "pypi_0",
                "build_number": 0,
                "subdir": "pypi",
                "url": None,
            }
        )
    return sorted(found, key=lambda record: str(record["name"]))


def stem(record: Record) -> str:
    """Return name, version and build as files of the package are named."""
    return f"{record['name']}-{record['version']}-{record['build']}"


def channel_name(record: Record, channels: Channels) -> str:
    """Return the short name of the channel that a package came from."""
    return channels.canonical_name(channels.at(record["url"])) if record["url"] else "pypi"


def dist_string(record: Record, channels: Channels) -> str:
    """Return a package's line in ``conda-meta/history``."""
    return f"{channel_name(record, channels)}/{record['subdir']}::{stem(record)}"


def dist_fields(record: Record, channels: Channels) -> Record:
    """Return a package as ``conda list --json`` and ``actions`` show it."""
    channel = channels.at(record["url"]) if record["url"] else channels.named("pypi")[0]
    return {
        "base_url": channel.base_url,
        "build_number": record["build_number"],
        "build_string": record["build"],
        "channel": channel.name,
        "dist_name": stem(record),
        "name": record["name"],
        "platform": record["subdir"],
        "version": record["version"],
    }


def fetch_fields(record: Record) -> Record:
    """Return a package as ``actions.FETCH`` shows it."""
    shown = {field: record.get(field) for field in FETCH_FIELDS}
    shown["channel"] = record["url"].rpartition("/")[0]
    shown["constrains"] = record.get("constrains") or []
    shown["package_type"] = "noarch_python" if record.get("noarch") == "python" else None
    return {field: value for field, value in shown.items() if value is not None or field not in ABSENT_WHEN_EMPTY}


def in_order(records: Iterable[Record]) -> list[Record]:
    """Return ``records`` with dependencies first and names deciding where they do not; Python comes first of all."""
    by_name = {record["name"]: record for record in records}
    ordered: dict[str, Record] = {}

    def add(name: str, waiting: frozenset[str]) -> None:
        if name in ordered or name in waiting or name not in by_name:
            return
        for dependency in sorted(by_name[name].get("depends", ())):
            if name != "python":
                add(dependency.split()[0], waiting | {name})
        ordered[name] = by_name[name]

    for name in ["python", *sorted(by_name)]:
        add(name, frozenset())
    return list(ordered.values())
