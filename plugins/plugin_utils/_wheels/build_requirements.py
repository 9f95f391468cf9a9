# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a build backend needs: resolved by uv to wheels with hashes, and installed for one build alone."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import SECONDS, uv


def make_environment(python: Path, directory: Path) -> Path:
    """Make an empty virtual environment; return its Python."""
    _uv("The build's environment could not be made", "venv", "--quiet", "--python", str(python), str(directory))
    return directory / "bin" / "python"


def resolve(requirements: Iterable[str], python: Path, places: Mapping[str, str], what: str) -> tuple[str, ...]:
    """Return exact requirements with hashes, one of each distribution, sorted.

    Parameters
    ----------
    requirements
        As PEP 508 writes them.
    python
        What they are installed for.
    places
        uv's variables that name where wheels come from; its arguments would show credentials to every user.
    what
        The release that is built, for the error.

    Raises
    ------
    EvenkeelError
        Nothing fits, or there is no wheel; build requirements are not built from source.
    """
    asked = list(requirements)
    if not asked:
        return ()
    answer = _uv(
        f"The build requirements of {what} ({', '.join(asked)}) cannot be resolved",
        *("pip", "compile", "-", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras"),
        *("--only-binary", ":all:", "--no-python-downloads", "--python", str(python)),
        text="\n".join(asked),
        variables=places,
    )
    return pinned(answer)


def pinned(answer: str) -> tuple[str, ...]:
    """Return the requirements of a file of uv's, each in one line.

    >>> pinned("wheel==0.45.1 \\\\\\n    --hash=sha256:aa \\\\\\n    --hash=sha256:bb\\n")
    ('wheel==0.45.1 --hash=sha256:aa --hash=sha256:bb',)
    """
    joined = re.sub(r"\s*\\\n\s*", " ", answer)
    return tuple(sorted(line.strip() for line in joined.splitlines() if re.match(r"[\w]", line)))


def install(requirements: Sequence[str], python: Path, places: Mapping[str, str], what: str) -> None:
    """Install exact requirements with their hashes, from wheels."""
    if requirements:
        _uv(
            f"The build requirements of {what} cannot be installed",
            *("pip", "install", "--quiet", "--require-hashes", "--no-deps", "--no-build", "--requirements", "-"),
            # A build that writes to its environment must not write to uv's cache.
            *("--link-mode", "copy", "--python", str(python)),
            text="\n".join(requirements),
            variables=places,
        )


def _uv(failed: str, *arguments: str, text: str = "", variables: Mapping[str, str] | None = None) -> str:
    try:
        with limited(FILE_BYTES):
            done = subprocess.run(
                [uv(), *arguments, "--no-progress", "--color", "never"],
                input=text,
                check=False,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **(variables or {}), "VIRTUAL_ENV": ""},
                timeout=SECONDS,
                restore_signals=False,
            )
    except subprocess.TimeoutExpired:
        raise EvenkeelError(
            f"{failed} in {SECONDS} seconds", "Check that the control node reaches the index, or choose a nearer one"
        ) from None
    if done.returncode:
        raise EvenkeelError(
            f"{failed}: {' '.join(done.stderr.removeprefix('error:').split())}",
            "They have to be wheels: add the missing ones to the index, or choose a release that has a wheel",
        )
    return done.stdout
