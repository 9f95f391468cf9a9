# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: parse it, read the settings, run the subcommand, report its error."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
from collections.abc import Sequence
from typing import Any

from . import NOTICE, VERSION, condarc
from .answers import print_error
from .commands import clean, config, create, env, info, install, remove, shell
from .commands import list as list_command
from .commands import run as run_command
from .environments import Environment
from .errors import CondaError, NoSpaceLeftError, NotWritableError

COMMANDS = (clean, config, create, env, info, install, list_command, remove, run_command, shell)
PARAMETERS = ("always_yes", "offline", "protect_frozen_envs")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="conda", description=f"conda {VERSION}; {NOTICE}", allow_abbrev=False)
    top.add_argument("-V", "--version", action="version", version=f"conda {VERSION}\n({NOTICE})")
    top.formatter_class = argparse.RawDescriptionHelpFormatter
    parsers = top.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(parsers)
    return top


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as ended:
        return int(ended.code or 0)
    flags = {"json": getattr(arguments, "json", False) or os.environ.get("CONDA_JSON", "").lower() in ("1", "true")}
    try:
        settings = load_settings(arguments, flags)
        return int(asyncio.run(arguments.execute(arguments, settings)))
    except CondaError as error:
        failure = error
    except OSError as error:
        failure = from_os(error)
    print_error(failure, as_json=flags["json"])
    return failure.return_code


def load_settings(arguments: argparse.Namespace, flags: dict[str, Any]) -> condarc.Settings:
    """Read the settings under a command line; the environment that it is about may bring some, too."""
    flags |= {"override_channels": getattr(arguments, "override_channels", False)}
    given = {"always_yes": getattr(arguments, "yes", None), "channels": getattr(arguments, "channel", None)}
    given |= {name: getattr(arguments, name, None) for name in PARAMETERS if hasattr(arguments, name)}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = condarc.load(os.environ, flags=flags, given=chosen)
    named = getattr(arguments, "prefix", None)
    if named and Environment(settings.expanded(named), settings).exists:
        return condarc.load(os.environ, settings.expanded(named), flags, chosen)
    return settings


def from_os(error: OSError) -> CondaError:
    """Return conda's name for a failure of the operating system."""
    if error.errno == errno.ENOSPC:
        return NoSpaceLeftError(repr(error))
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotWritableError(str(error.filename), error.errno)
    return CondaError(str(error))
