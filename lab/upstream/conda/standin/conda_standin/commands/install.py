# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda install``: add packages to an environment."""

from __future__ import annotations

import argparse

from ..answers import print_json
from ..condarc import Settings
from ..errors import CondaValueError, NoChannelsConfiguredError
from ..linking import plan
from ..package_cache import PackageCache
from .common import (
    Parsers,
    add_change,
    add_solve,
    carry_out,
    install_exactly,
    kept,
    solve,
    specifications,
    target,
)


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("install", help="add packages to an environment")
    add_change(parser)
    add_solve(parser)
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Install what is asked for."""
    environment = target(arguments, settings)
    specs, packages = specifications(arguments)
    if not specs and not packages:
        raise CondaValueError("too few arguments, must supply command line package specs or --file")
    environment.require_changeable()
    if packages:
        await install_exactly(environment, packages, dry_run=arguments.dry_run)
        return 0
    if not settings.requested_channels():
        raise NoChannelsConfiguredError(specs)
    cache = PackageCache(settings)
    change = plan(environment, await solve(environment, specs, kept(environment, set()), cache), cache)
    if not change.link and not change.unlink:
        message = "All requested packages already installed."
        if settings.flags.get("json"):
            print_json({"success": True, "message": message})
        else:
            print(f"\n# {message}\n")
        return 0
    await carry_out(change, cache, dry_run=arguments.dry_run, update=specs)
    return 0
