# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs of the machine; a failure carries the program's own last words."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def run(
    argv: Sequence[str | Path],
    *,
    remedy: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run ``argv`` and return its standard output.

    Raises
    ------
    LabError
        The program is not installed or ended with a status other than 0; ``remedy`` is what to do.
    """
    command = [str(word) for word in argv]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=env, cwd=cwd, input=stdin, errors="replace"
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed", remedy) from error
    if done.returncode != 0:
        last_words = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-12:])
        raise LabError(f"{' '.join(command)} ended with status {done.returncode}:\n{last_words}", remedy)
    return done.stdout
