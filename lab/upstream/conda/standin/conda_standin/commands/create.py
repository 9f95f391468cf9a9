# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda create``: make an environment, in the place of another or among what a directory holds."""

from __future__ import annotations

import argparse
import shutil

from .. import cloning, explicit
from ..answers import confirm, print_json
from ..condarc import Settings
from ..environments import Environment, by_name, to_create
from ..errors import ArgumentError, CondaValueError, DryRunExit, NoChannelsConfiguredError, TooManyArgumentsError
from ..linking import plan
from ..package_cache import PackageCache
from ..records import in_order, installed
from .common import Parsers, add_change, add_solve, carry_out, install_exactly, solve, specifications


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("create", help="make an environment")
    add_change(parser)
    add_solve(parser)
    parser.add_argument("--clone", metavar="ENV", help="copy an environment")
    parser.add_argument("--no-default-packages", action="store_true", help="leave create_default_packages out")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Make the environment; a failure removes the directory, unless it was there before."""
    environment = _place(arguments, settings)
    if arguments.clone and (arguments.packages or arguments.file):
        raise TooManyArgumentsError("Did not expect any new packages or arguments for `--clone`.")
    specs, packages = specifications(arguments)
    environment.require_creatable()
    _clear(environment, dry_run=arguments.dry_run)
    theirs = environment.prefix.exists()
    try:
        if arguments.clone:
            await _clone(arguments, environment)
        elif packages:
            await install_exactly(environment, packages, dry_run=arguments.dry_run)
        else:
            await _solve_and_install(environment, specs, arguments)
    except BaseException:
        if not theirs:
            shutil.rmtree(environment.prefix, ignore_errors=True)
        raise
    if arguments.dry_run:
        return 0
    if not settings.flags.get("json") and not arguments.quiet:
        called = arguments.name or environment.prefix
        print(f"#\n# To activate this environment, use\n#\n#     $ conda activate {called}")
        print("#\n# To deactivate an active environment, use\n#\n#     $ conda deactivate\n")
    return 0


def _place(arguments: argparse.Namespace, settings: Settings) -> Environment:
    if arguments.prefix:
        return Environment(settings.expanded(arguments.prefix), settings)
    if arguments.name:
        return to_create(arguments.name, settings)
    raise ArgumentError("one of the arguments -n/--name -p/--prefix is required")


def _clear(environment: Environment, *, dry_run: bool) -> None:
    prefix = environment.prefix
    if not environment.exists:
        if prefix.exists() and not dry_run:
            question = (
                f"WARNING: A directory already exists at the target location '{prefix}'\n"
                "but it is not a conda environment.\nContinue creating environment"
            )
            confirm(question, environment.settings, default=False)
        return
    if dry_run:
        raise CondaValueError("Cannot `create --dry-run` with an existing conda environment")
    question = f"WARNING: A conda environment already exists at '{prefix}'\n\nRemove existing environment"
    confirm(question, environment.settings, default=False)
    if prefix.is_symlink():
        prefix.unlink()
    else:
        shutil.rmtree(prefix)


async def _clone(arguments: argparse.Namespace, environment: Environment) -> None:
    """Copy an environment: first what no package brought, then the packages."""
    settings = environment.settings
    named = "/" in arguments.clone
    source = Environment(settings.expanded(arguments.clone), settings) if named else by_name(arguments.clone, settings)
    source.require_environment()
    records = in_order(installed(source.prefix))
    names = cloning.untracked(source.prefix)
    as_json = bool(settings.flags.get("json"))
    if not as_json:
        print(f"Source:      {source.prefix}\nDestination: {environment.prefix}")
        print(f"Packages: {len(records)}\nFiles: {len(names)}")
    if arguments.dry_run:
        raise DryRunExit
    cloning.copy(names, source.prefix, environment.prefix)
    (environment.prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    await install_exactly(environment, [explicit.parse_line(record["url"]) for record in records], dry_run=False)
    if as_json:
        answer = {"untracked_files": names, "src_prefix": str(source.prefix), "dst_prefix": str(environment.prefix)}
        print_json({"success": True, **answer})


async def _solve_and_install(environment: Environment, specs: list[str], arguments: argparse.Namespace) -> None:
    settings = environment.settings
    if not arguments.no_default_packages:
        specs = list(dict.fromkeys([*specs, *settings.value("create_default_packages")]))
    if specs and not settings.requested_channels():
        raise NoChannelsConfiguredError(specs)
    cache = PackageCache(settings)
    wanted = await solve(environment, specs, [], cache) if specs else []
    if not arguments.dry_run:
        (environment.prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    await carry_out(plan(environment, wanted, cache), cache, dry_run=arguments.dry_run, update=specs)
