# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Git on the control node, asked about one folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

#: How long an answer may take.
_SECONDS = 60
#: They name another repository than that of the folder, where git itself has started Ansible.
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX")
#: A question writes nothing to a repository, and nobody is asked for a password.
_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
#: No program watches the files. The value is empty, as an old git takes any other for the program.
_SETTINGS: Mapping[str, str] = {"core.fsmonitor": ""}


class GitError(Exception):
    """What git said instead of an answer, in one line."""


def ask(folder: Path, *arguments: str, given: bytes = b"", configuration: Mapping[str, str] | None = None) -> bytes:
    """Return what git prints.

    Parameters
    ----------
    given
        What it reads.
    configuration
        Settings that go before those of the repository and of the user.

    Raises
    ------
    GitError
        There is no git, it takes too long, or it fails.
    """
    settings = {**_SETTINGS, **(configuration or {})}
    given_first = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *given_first, *arguments],
            check=False,
            capture_output=True,
            timeout=_SECONDS,
            input=given,
            env={**inherited, **_ENVIRONMENT},
        )
    except FileNotFoundError:
        raise GitError("There is no command git") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git does not answer: {error}") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"git ends with {done.returncode}"]
        raise GitError(next((line for line in lines if line.startswith("fatal: ")), lines[0]))
    return done.stdout
