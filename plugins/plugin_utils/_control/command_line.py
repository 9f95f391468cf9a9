# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What the commands of ``bin/evenkeel`` have in common: wrong arguments, and what they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import WITHOUT_ROOT, EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line

#: The command's arguments are wrong, as in sysexits.h.
USAGE = 64


class Parser(argparse.ArgumentParser):
    """Ends with the status of wrong arguments, which no answer of a command has."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what is not known with the usage of the command that does not know it, not of the whole program."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error("unrecognized arguments: %s" % " ".join(unknown))
        return found, unknown

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, "%s: %s\n" % (self.prog, message))


def text(value: str) -> str:
    """Return an argument that may not be empty."""
    if not value:
        raise argparse.ArgumentTypeError("it is empty")
    return value


def failure(error: EvenkeelError | OSError, without_root: str) -> EvenkeelError:
    """Return an error as one for the user of a command, who may not become root.

    Parameters
    ----------
    without_root
        What to do, in words that a path follows, about what root alone may do.
    """
    failed = error if isinstance(error, EvenkeelError) else from_os(error)
    return EvenkeelError(failed.what, failed.remedy.replace(WITHOUT_ROOT, without_root), **failed.details)


def show(lines: Iterable[str]) -> None:
    """Print lines; what packages and files are called may be meant for the terminal."""
    for line in lines:
        print(in_one_line(line))


def warn(warnings: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for warning in warnings:
        print("Warning: %s." % in_one_line(warning).rstrip("."), file=sys.stderr)
