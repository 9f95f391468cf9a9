# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the commands of ``bin/evenkeel`` have in common: wrong arguments, and what they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import NoReturn

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line

#: The command's arguments are wrong, as in sysexits.h.
USAGE = 64


class Parser(argparse.ArgumentParser):
    """Ends with the status of wrong arguments, which no answer of a command has."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, "%s: %s\n" % (self.prog, message))


def text(value: str) -> str:
    """Return an argument that may not be empty."""
    if not value:
        raise argparse.ArgumentTypeError("it is empty")
    return value


def show(lines: Iterable[str]) -> None:
    """Print lines; what packages and files are called may be meant for the terminal."""
    for line in lines:
        print(in_one_line(line))


def warn(warnings: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for warning in warnings:
        print("Warning: %s." % in_one_line(warning).rstrip("."), file=sys.stderr)
