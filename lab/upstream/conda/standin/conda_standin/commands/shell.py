# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda shell.posix`` and ``shell.fish``: code for ``conda activate`` and ``conda deactivate`` to evaluate."""

from __future__ import annotations

import argparse
import os

from ..activation import Activation, Fish, Posix
from ..condarc import Settings
from ..errors import ArgumentError
from .common import Parsers

HOOKS = {"shell.fish": ("etc", "fish", "conf.d", "conda.fish")}
SHELLS = ("shell.posix", "shell.bash", "shell.zsh", "shell.dash", *HOOKS)


def add_to(parsers: Parsers) -> None:
    """Add the subcommands."""
    for shell in SHELLS:
        parser = parsers.add_parser(shell)
        parser.add_argument("action", choices=["activate", "deactivate", "reactivate", "hook"])
        parser.add_argument("environment", nargs="?")
        parser.add_argument("--stack", action="store_true")
        parser.set_defaults(execute=execute, shell=shell)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the code."""
    activation = Activation(settings, os.environ, Fish() if arguments.shell == "shell.fish" else Posix())
    if arguments.action == "hook":
        hook = HOOKS.get(arguments.shell, ("etc", "profile.d", "conda.sh"))
        print(settings.root_prefix.joinpath(*hook).read_text())
        if settings.value("auto_activate"):
            print(f"conda activate '{settings.value('default_activation_env')}'")
    elif arguments.action == "activate":
        print(activation.activate(arguments.environment, stack=arguments.stack))
    elif arguments.environment:
        raise ArgumentError(f"{arguments.action} does not accept arguments")
    else:
        print(activation.deactivate() if arguments.action == "deactivate" else activation.reactivate())
    return 0
