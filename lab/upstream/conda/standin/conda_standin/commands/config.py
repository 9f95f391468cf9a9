# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda config``: the settings in effect, and where they come from."""

from __future__ import annotations

import argparse
import json

import yaml

from ..condarc import Settings
from ..errors import ArgumentError
from ..parameters import ALIASES
from .common import Parsers, add_output


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("config", help="show settings")
    add_output(parser)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--show", nargs="*", metavar="PARAMETER", help="the settings in effect")
    action.add_argument("--show-sources", action="store_true", help="what each file sets")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Show it."""
    as_json = settings.flags.get("json")
    if arguments.show_sources:
        sources = {source.name: dict(source.values) for source in settings.sources if source.values}
        if as_json:
            print(json.dumps(sources, indent=2, sort_keys=True))
        else:
            for name, values in sources.items():
                print(f"==> {name} <==\n{yaml.safe_dump(values)}")
        return 0
    shown = settings.effective()
    if arguments.show:
        names = [ALIASES.get(name, name) for name in arguments.show]
        if unknown := [name for name in names if name not in shown]:
            raise ArgumentError(f"Invalid configuration parameters: {', '.join(unknown)}")
        shown = {name: shown[name] for name in sorted(names)}
    print(json.dumps(shown, indent=2) + "\n" if as_json else yaml.safe_dump(shown).rstrip())
    return 0
