# SPDX-License-Identifier: GPL-3.0-or-later
"""How answers are printed, and how questions are asked."""

from __future__ import annotations

import json
import sys
from typing import Any

from .condarc import Settings
from .errors import CondaError, CondaMultiError, CondaSystemExit


def print_json(answer: Any, *, sort_keys: bool = False) -> None:
    """Print a JSON answer."""
    print(json.dumps(answer, indent=2, sort_keys=sort_keys))


def print_error(error: CondaError, *, as_json: bool) -> None:
    """Print an error where conda prints it."""
    if as_json:
        stream = sys.stdout if error.return_code else sys.stderr
        print(json.dumps(error.as_json(), indent=2, sort_keys=True) + "\n", file=stream)
    elif isinstance(error, CondaMultiError):
        print("\n".join(f"\n{part}\n" for part in error.errors), file=sys.stderr)
    else:
        print(f"\n{error.message if not error.return_code else error}\n", file=sys.stderr)


def confirm(question: str, settings: Settings, *, default: bool) -> None:
    """Ask, unless ``--yes`` or ``--json`` (as in conda) stand for a yes.

    Raises
    ------
    CondaSystemExit
        The answer is no.
    """
    if settings.value("always_yes") or settings.flags.get("json"):
        return
    choices = "[y]/n" if default else "y/[n]"
    while True:
        print(f"{question} ({choices})? ", end="", flush=True)
        answer = sys.stdin.readline()
        word = answer.strip().lower()
        if word in ("y", "yes") or (answer and not word and default):
            print()
            return
        if word in ("n", "no", ""):
            raise CondaSystemExit("Exiting.")
        print(f"Invalid choice: {word}")
