# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda env list`` and ``conda env export``."""

from __future__ import annotations

import argparse
from typing import Any

import yaml

from ..answers import print_json
from ..condarc import Settings
from ..environments import Environment
from ..records import channel_name, in_order, installed, installed_by_pip
from .common import Parsers, add_output, add_target, target
from .info import print_environments


def add_to(parsers: Parsers) -> None:
    """Add the subcommands."""
    commands = parsers.add_parser("env", help="list and export environments").add_subparsers(required=True)
    listing = commands.add_parser("list", help="list environments")
    add_output(listing)
    listing.set_defaults(execute=execute_list)
    export = commands.add_parser("export", help="describe an environment")
    add_output(export)
    add_target(export)
    export.add_argument("-f", "--file", help="write to this file")
    export.add_argument("--from-history", action="store_true", help="only what people asked for")
    export.add_argument("--no-builds", action="store_true", help="leave builds out")
    export.set_defaults(execute=execute_export)


async def execute_list(_: argparse.Namespace, settings: Settings) -> int:
    """List environments."""
    print_environments(settings)
    return 0


async def execute_export(arguments: argparse.Namespace, settings: Settings) -> int:
    """Describe an environment."""
    environment = target(arguments, settings)
    environment.require_environment()
    if arguments.from_history:
        description = _from_history(environment)
    else:
        description = _exact(environment, builds=not arguments.no_builds)
    if settings.flags.get("json"):
        print_json(description)
        return 0
    text = yaml.dump(description, Dumper=_Indented, sort_keys=False, default_flow_style=False)
    if arguments.file:
        settings.expanded(arguments.file).write_text(text)
    else:
        print(text, end="")
    return 0


def _exact(environment: Environment, *, builds: bool) -> dict[str, Any]:
    channels = environment.settings.channels
    records = installed(environment.prefix)
    dependencies: list[Any] = [
        f"{record['name']}={record['version']}={record['build']}" if builds else f"{record['name']}={record['version']}"
        for record in records
    ]
    if from_pip := installed_by_pip(environment.prefix, records):
        dependencies.append({"pip": [f"{record['name']}=={record['version']}" for record in from_pip]})
    return _description(environment, dict.fromkeys(channel_name(r, channels) for r in in_order(records)), dependencies)


def _from_history(environment: Environment) -> dict[str, Any]:
    specs = [spec.rpartition("::")[2].replace("==", "=") for spec in environment.requested_specs().values()]
    return _description(environment, dict.fromkeys(environment.settings.value("channels")), specs)


def _description(environment: Environment, channels: dict[str, None], dependencies: list[Any]) -> dict[str, Any]:
    return {
        "name": environment.name or str(environment.prefix),
        **({"channels": list(channels)} if channels else {}),
        "dependencies": dependencies,
        "prefix": str(environment.prefix),
    }


class _Indented(yaml.SafeDumper):
    """Indents lists below their key, as conda does."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)
