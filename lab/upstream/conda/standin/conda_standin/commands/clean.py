# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda clean``: empty the package caches."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..answers import confirm, print_json
from ..condarc import Settings
from ..errors import ArgumentError, DryRunExit
from .common import Parsers, add_output

ARCHIVES = (".conda", ".tar.bz2", ".partial")


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("clean", help="empty the package caches")
    add_output(parser)
    parser.add_argument("-y", "--yes", action="store_true", default=None, help="ask nothing")
    parser.add_argument("-d", "--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("-a", "--all", action="store_true", help="all of these")
    parser.add_argument("-i", "--index-cache", action="store_true", help="copies of channels' indexes")
    parser.add_argument("-t", "--tarballs", action="store_true", help="archives")
    parser.add_argument("-p", "--packages", action="store_true", help="unpacked packages that nothing links to")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Remove what is named."""
    folders = [folder for folder in settings.pkgs_dirs if folder.is_dir() and os.access(folder, os.W_OK)]
    answer: dict[str, Any] = {"success": True}
    doomed: list[Path] = []
    if arguments.all or arguments.tarballs:
        archives = [path for folder in folders for path in sorted(folder.iterdir()) if path.name.endswith(ARCHIVES)]
        answer["tarballs"] = _sizes(archives)
        doomed += archives
    if arguments.all or arguments.index_cache:
        caches = [folder / "cache" for folder in folders if (folder / "cache").is_dir()]
        answer["index_cache"] = {"files": [str(cache) for cache in caches]}
        doomed += caches
    if arguments.all or arguments.packages:
        unpacked = [path for folder in folders for path in sorted(folder.iterdir()) if _is_unused(path)]
        answer["packages"] = _sizes(unpacked)
        doomed += unpacked
    if len(answer) == 1:
        raise ArgumentError("At least one removal target must be given. See 'conda clean --help'.")
    if not settings.flags.get("json"):
        print("\n".join(f"Will remove {path}" for path in doomed) or "There is nothing to remove.")
    if not arguments.dry_run and doomed:
        confirm("Proceed", settings, default=True)
        _remove(doomed)
    if settings.flags.get("json"):
        print_json(answer)
    if arguments.dry_run:
        raise DryRunExit
    return 0


def _is_unused(package: Path) -> bool:
    """Whether this is an unpacked package none of whose files is linked from an environment."""
    if not (package / "info").is_dir():
        return False
    return all(path.lstat().st_nlink == 1 for path in package.rglob("*") if not path.is_dir())


def _sizes(paths: Iterable[Path]) -> dict[str, Any]:
    sizes: dict[str, dict[str, int]] = {}
    for path in paths:
        files = [path] if path.is_file() else [inner for inner in path.rglob("*") if not inner.is_dir()]
        sizes.setdefault(str(path.parent), {})[path.name] = sum(file.lstat().st_size for file in files)
    return {
        "warnings": [],
        "pkg_sizes": sizes,
        "pkgs_dirs": {folder: list(names) for folder, names in sizes.items()},
        "total_size": sum(size for names in sizes.values() for size in names.values()),
    }


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
