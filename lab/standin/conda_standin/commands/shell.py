# SPDX-License-Identifier: GPL-3.0-or-later
"""``conda shell.posix``: shell code for ``conda activate`` and ``conda deactivate`` to evaluate."""

from __future__ import annotations

import argparse
import os

from ..activation import Activation
from ..condarc import Settings
from ..errors import ArgumentError
from .common import Parsers

SHELLS = ("shell.posix", "shell.bash", "shell.zsh", "shell.dash")


def add_to(parsers: Parsers) -> None:
    """Add the subcommands."""
    for shell in SHELLS:
        parser = parsers.add_parser(shell)
        parser.add_argument("action", choices=["activate", "deactivate", "reactivate", "hook"])
        parser.add_argument("environment", nargs="?")
        parser.add_argument("--stack", action="store_true")
        parser.set_defaults(execute=execute)


async def execute(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print the code."""
    activation = Activation(settings, os.environ)
    if arguments.action == "hook":
        print((settings.root_prefix / "etc" / "profile.d" / "conda.sh").read_text())
        if settings.value("auto_activate"):
            print(f"conda activate '{settings.value('default_activation_env')}'")
    elif arguments.action == "activate":
        print(activation.activate(arguments.environment, stack=arguments.stack))
    elif arguments.environment:
        raise ArgumentError(f"{arguments.action} does not accept arguments")
    else:
        print(activation.deactivate() if arguments.action == "deactivate" else activation.reactivate())
    return 0
