# SPDX-License-Identifier: GPL-3.0-or-later
"""What several subcommands share: arguments, the environment they are about, and changing it."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import rattler

from .. import explicit
from ..answers import confirm, print_json
from ..condarc import Settings
from ..environments import Environment, by_name, current, spec_name
from ..errors import CondaValueError, DryRunExit
from ..linking import Change, apply, plan
from ..package_cache import PackageCache
from ..records import Record, stem
from ..solving import Index

Parsers = Any  # argparse keeps the type of its subparsers to itself


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add what says how to answer."""
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add what says which environment is meant."""
    target = parser.add_mutually_exclusive_group()
    target.add_argument("-n", "--name", metavar="NAME", help="name of the environment")
    target.add_argument("-p", "--prefix", metavar="PATH", help="path of the environment")


def add_change(parser: argparse.ArgumentParser) -> None:
    """Add what all changes of an environment take."""
    add_output(parser)
    add_target(parser)
    parser.add_argument("-y", "--yes", action="store_true", default=None, help="ask nothing")
    parser.add_argument("-d", "--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("--override-frozen", dest="protect_frozen_envs", action="store_false", default=None)
    parser.add_argument("--offline", action="store_true", default=None, help="use no network")


def add_solve(parser: argparse.ArgumentParser) -> None:
    """Add what says where packages come from."""
    parser.add_argument("packages", nargs="*", metavar="SPEC", help="what to install")
    parser.add_argument("-c", "--channel", action="append", metavar="CHANNEL", help="one more channel")
    parser.add_argument("--override-channels", action="store_true", help="use no other channels than those of -c")
    parser.add_argument("-f", "--file", action="append", default=[], metavar="FILE", help="file with specifications")


def target(arguments: argparse.Namespace, settings: Settings) -> Environment:
    """Return the environment that the command line names, or the active one."""
    if arguments.prefix:
        return Environment(settings.expanded(arguments.prefix), settings)
    return by_name(arguments.name, settings) if arguments.name else current(settings)


def specifications(arguments: argparse.Namespace) -> tuple[list[str], list[Record]]:
    """Return what the command line and its files ask for: specifications, or exact packages."""
    specs, exact = [], []
    for word in arguments.packages:
        if "://" in word:
            exact.append(explicit.parse_line(word))
        else:
            specs.append(word)
    for file in arguments.file:
        lines = explicit.read_lines(Path(file))
        if explicit.is_explicit(lines):
            exact += explicit.parse(lines)
        else:
            specs += lines
    if specs and exact:
        raise CondaValueError("cannot mix specifications with explicit packages")
    return specs, exact


async def install_exactly(environment: Environment, packages: Sequence[Record], *, dry_run: bool) -> None:
    """Install packages by URL; what else is in the environment stays, and conda says nothing in JSON."""
    if dry_run:
        raise DryRunExit
    cache = PackageCache(environment.settings)
    hashes = cache.fetch([package for package in packages if not cache.holds(package)])
    wanted = [await explicit.complete(package, cache, hashes.get(package["url"], {})) for package in packages]
    named = {record.name.normalized for record in wanted}
    change = plan(environment, [*kept(environment, named), *wanted], cache)
    channels = environment.settings.channels
    specs = [
        explicit.as_spec(package, channels.canonical_name(channels.at(package["url"])))
        for package in packages
        if package["name"] in {record["name"] for record in change.link}
    ]
    await apply(change, cache, update=specs)


def kept(environment: Environment, without: set[str]) -> list[rattler.PrefixRecord]:
    """Return the installed packages, but not those of these names."""
    found = [rattler.PrefixRecord.from_path(path) for path in (environment.prefix / "conda-meta").glob("*.json")]
    return [record for record in found if record.name.normalized not in without]


async def solve(
    environment: Environment,
    specs: Sequence[str],
    locked: Sequence[rattler.PrefixRecord],
    cache: PackageCache,
    without: Collection[str] = (),
) -> list[rattler.RepoDataRecord]:
    """Solve for ``specs`` and what people asked for before (not ``without``), keeping ``locked`` where it can be."""
    settings = environment.settings
    before = environment.requested_specs() if locked else {}
    gone = {spec_name(spec) for spec in specs} | set(without)
    older = [name if "::" in spec else spec for name, spec in before.items() if name not in gone]
    index = Index(settings.requested_channels(), settings, cache.indexes)
    return await index.solve([*sorted(older), *specs], specs, locked)


async def carry_out(
    change: Change, cache: PackageCache, *, dry_run: bool, update: Sequence[str] = (), remove: Sequence[str] = ()
) -> None:
    """Show a change, ask, make it, and answer."""
    environment = change.environment
    as_json = bool(environment.settings.flags.get("json"))
    answer: dict[str, Any] = {"success": True, "actions": change.actions(), "prefix": str(environment.prefix)}
    if not as_json:
        show(change)
    if dry_run:
        if as_json:
            print_json(answer | {"dry_run": True})
            return
        raise DryRunExit
    confirm("Proceed", environment.settings, default=True)
    cache.fetch(change.fetch)
    await apply(change, cache, update=update, remove=remove)
    if as_json:
        print_json(answer)
    else:
        print("Preparing transaction: done\nVerifying transaction: done\nExecuting transaction: done")


def show(change: Change) -> None:
    """Print what a change consists of."""
    print(f"\n## Package Plan ##\n\n  environment location: {change.environment.prefix}\n")
    groups = (("fetched", change.fetch), ("REMOVED", change.unlink), ("INSTALLED", change.link))
    for title, records in groups:
        if records:
            print(f"The following packages will be {title}:\n")
            print("\n".join(f"  {stem(record)}" for record in records) + "\n")
