# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda run``: run a program inside an environment."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from ..activation import Activation
from ..condarc import Settings
from ..errors import ArgumentError
from .common import Parsers, add_target, target


def add_to(parsers: Parsers) -> None:
    """Add the subcommand."""
    parser = parsers.add_parser("run", help="run a program inside an environment")
    add_target(parser)
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    parser.add_argument("--cwd", help="run it in this folder")
    parser.add_argument("--no-capture-output", "--live-stream", action="store_true", help="as it is always done here")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program and its arguments")
    parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run it and return its exit status."""
    environment = target(arguments, settings)
    environment.require_environment()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise ArgumentError("No command specified. Please provide a command to run.")
    clean = {name: value for name, value in os.environ.items() if name not in ("CONDA_PREFIX", "CONDA_SHLVL")}
    activation = Activation(settings, clean).activate(str(environment.prefix))
    shell = shutil.which("bash") or "/bin/sh"
    sys.stdout.flush()
    done = subprocess.run(
        [shell, "-c", f'{activation}\nexec "$@"', "conda run", *command], check=False, env=clean, cwd=arguments.cwd
    )
    if done.returncode:
        print(f"ERROR conda run: `conda run {' '.join(command)}` failed. (See above for error)", file=sys.stderr)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode
