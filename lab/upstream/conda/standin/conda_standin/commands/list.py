# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda list``: what is in an environment."""

from __future__ import annotations

import argparse
import re

from .. import VERSION
from ..answers import print_json
from ..condarc import Settings
from ..environments import Environment
from ..errors import ArgumentError, CondaValueError
from ..records import Record, channel_name, dist_fields, dist_string, in_order, installed, installed_by_pip
from .common import Parsers, add_output, add_target, target

TITLES = ("Name", "Version", "Build", "Channel")
WIDTHS = (23, 15, 15, 1)


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("list", help="list packages")
    add_output(parser)
    add_target(parser)
    parser.add_argument("regex", nargs="?", help="only packages whose name matches")
    parser.add_argument("-f", "--full-name", action="store_true", help="the whole name must match")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--explicit", action="store_true", help="URLs that make the same environment again")
    form.add_argument("--canonical", action="store_true", help="names as histories have them")
    form.add_argument("--export", action="store_true", help="name=version=build")
    parser.add_argument("--md5", action="store_true", help="with --explicit: add MD5 sums")
    parser.add_argument("--sha256", action="store_true", help="with --explicit: add SHA-256 sums")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """List the packages."""
    environment = target(arguments, settings)
    environment.require_environment()
    records = installed(environment.prefix)
    if arguments.md5 and arguments.sha256:
        raise ArgumentError("Only one of --md5 and --sha256 can be specified at the same time")
    if arguments.explicit:
        _print_explicit(records, settings, "md5" if arguments.md5 else "sha256" if arguments.sha256 else None)
        return 0
    records = sorted([*records, *installed_by_pip(environment.prefix, records)], key=lambda record: str(record["name"]))
    records = _matching(records, arguments)
    if settings.flags.get("json"):
        print_json([dist_fields(record, settings.channels) for record in records])
    elif arguments.export:
        _print_header(settings)
        print("\n".join(f"{record['name']}={record['version']}={record['build']}" for record in records))
    elif arguments.canonical:
        print("\n".join(dist_string(record, settings.channels) for record in records))
    else:
        _print_table(environment, records)
    return 0


def _matching(records: list[Record], arguments: argparse.Namespace) -> list[Record]:
    if not arguments.regex:
        return records
    if arguments.full_name:
        found = [record for record in records if record["name"] == arguments.regex]
    else:
        found = [record for record in records if re.search(arguments.regex, record["name"], re.IGNORECASE)]
    if not found:
        raise CondaValueError(f"No packages match '{arguments.regex}'.")
    return found


def _print_header(settings: Settings) -> None:
    print("# This file may be used to create an environment using:")
    print("# $ conda create --name <env> --file <this file>")
    print(f"# platform: {settings.subdir}")
    print(f"# created-by: conda {VERSION}")


def _print_explicit(records: list[Record], settings: Settings, kind: str | None) -> None:
    _print_header(settings)
    print("@EXPLICIT")
    for record in in_order(records):
        print(f"{record['url']}#{record[kind]}" if kind and record.get(kind) else record["url"])


def _print_table(environment: Environment, records: list[Record]) -> None:
    settings = environment.settings
    rows = []
    for record in records:
        channel = channel_name(record, settings.channels)
        hidden = channel == "defaults" and not settings.value("show_channel_urls")
        rows.append((record["name"], record["version"], record["build"], "" if hidden else channel))
    widths = [max(width, *(len(row[i]) for row in rows), 0) for i, width in enumerate(WIDTHS)]
    print(f"# packages in environment at {environment.prefix}:\n#")
    print("# " + "  ".join(title.ljust(width) for title, width in zip(TITLES, widths, strict=True)).rstrip())
    widths[0] += 2
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
