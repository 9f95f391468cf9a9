# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run programs of the node without a terminal, with output in English that can be parsed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "LANGUAGE": "", "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}


class TimedOut(EvenkeelError):
    """A program took longer than it was given."""


@dataclass(frozen=True)
class Done:
    """How a program ended; ``said`` is its standard output, followed by its standard error."""

    status: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        return self.output + self.errors

    def last_words(self, lines: int = 5) -> str:
        """Return its last lines as one: those of standard error, or of standard output where it is empty."""
        words = [line.strip() for line in (self.errors.strip() or self.output.strip()).splitlines() if line.strip()]
        return " / ".join(words[-lines:]) or "it printed nothing"


def run(
    argv: Sequence[str],
    *,
    timeout: float | None = None,
    extra: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Done:
    """Run a program to its end, also where it fails.

    Parameters
    ----------
    timeout
        How many seconds it may take.
    extra
        Variables of its environment.
    pass_fds
        Open files that it inherits.

    Raises
    ------
    EvenkeelError
        It is not there, or took longer.
    """
    environment = {**os.environ, **ENVIRONMENT, **(extra or {})}
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            pass_fds=pass_fds,
        )
    except FileNotFoundError:
        raise EvenkeelError("There is no program %s" % argv[0], "Install it, or check its PATH") from None
    except subprocess.TimeoutExpired:
        raise TimedOut(
            "`%s` did not end within %d seconds" % (" ".join(argv), timeout or 0), "Find out what it waits for"
        ) from None
    return Done(done.returncode, done.stdout, done.stderr)


def require(argv: Sequence[str], remedy: str, *, timeout: float | None = None) -> str:
    """Run a program that must succeed, and return its standard output.

    Raises
    ------
    EvenkeelError
        It failed; its last lines are in the message.
    """
    done = run(argv, timeout=timeout)
    if done.status != 0:
        raise EvenkeelError("`%s` ended with status %d: %s" % (" ".join(argv), done.status, done.last_words()), remedy)
    return done.output
