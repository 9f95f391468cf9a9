# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda remove``: take packages out of an environment, or the whole of it away."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import rattler

from ..answers import confirm, print_json
from ..condarc import Settings
from ..environments import Environment, current, spec_name
from ..errors import CondaEnvironmentError, CondaValueError, EnvironmentLocationNotFound, PackagesNotFoundInPrefixError
from ..linking import plan
from ..package_cache import PackageCache
from .common import Parsers, add_change, carry_out, kept, show, solve, target


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("remove", aliases=["uninstall"], help="remove packages, or a whole environment")
    add_change(parser)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="what to remove")
    parser.add_argument("-c", "--channel", action="append", metavar="CHANNEL", help="one more channel")
    parser.add_argument("--override-channels", action="store_true", help="use no other channels than those of -c")
    parser.add_argument("--all", action="store_true", help="remove the environment")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove what is named."""
    if not arguments.all and not arguments.packages:
        raise CondaValueError('no package names supplied,\n       try "conda remove -h" for more details')
    environment = target(arguments, settings)
    if not environment.prefix.is_dir():
        raise EnvironmentLocationNotFound(environment.prefix)
    environment.require_changeable()
    if arguments.all:
        _remove_all(environment, dry_run=arguments.dry_run)
    else:
        await _remove(environment, arguments.packages, dry_run=arguments.dry_run)
    return 0


def _remove_all(environment: Environment, *, dry_run: bool) -> None:
    settings = environment.settings
    if environment.is_base:
        raise CondaEnvironmentError("cannot remove root environment, add -n NAME or -p PREFIX option")
    if environment == current(settings):
        raise CondaEnvironmentError("Cannot remove current environment. Deactivate and run conda remove again")
    change = plan(environment, [], PackageCache(settings))
    if not settings.flags.get("json"):
        print(f"\nRemove all packages in environment {environment.prefix}:\n")
        show(change)
    answer = {"success": True, "actions": change.actions(), "prefix": str(environment.prefix)}
    if dry_run:
        answer["dry_run"] = True
    else:
        confirm("Proceed", settings, default=True)
        confirm(
            f"Everything found within the environment ({environment.prefix}) will be deleted. Continue",
            settings,
            default=False,
        )
        environment.delete()
    if settings.flags.get("json") and change.unlink:
        print_json(answer)


async def _remove(environment: Environment, names: Sequence[str], *, dry_run: bool) -> None:
    installed = kept(environment, set())
    missing = sorted(spec for spec in names if not any(record.matches(rattler.MatchSpec(spec)) for record in installed))
    if missing:
        raise PackagesNotFoundInPrefixError(missing, environment.prefix)
    going = {spec_name(spec) for spec in names}
    while dependents := {record.name.normalized for record in installed if _needs(record, going)} - going:
        going |= dependents
    cache = PackageCache(environment.settings)
    wanted = await solve(environment, [], kept(environment, going), cache, without=going)
    await carry_out(plan(environment, wanted, cache), cache, dry_run=dry_run, remove=list(names))


def _needs(record: rattler.PrefixRecord, names: set[str]) -> bool:
    return any(spec_name(dependency) in names for dependency in record.depends)
