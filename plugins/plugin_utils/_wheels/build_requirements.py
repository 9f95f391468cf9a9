# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a build backend needs: resolved by uv to wheels with hashes, and installed for one build alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import normal
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import SECONDS, uv
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.interpreter import Interpreter

with optional():
    from packaging.requirements import InvalidRequirement, Requirement

#: What a line of a requirements file means more by than a requirement does: variables, continuations, comments.
_MEANT_OTHERWISE = re.compile(r"[^ -~]|[$\\#]")
_SHOWN = 200


def checked(requires: object, what: str) -> list[str]:
    """Return build requirements that a project names, each as one line that names a distribution of the index.

    The project's authors, or its code, wrote them; uv, which reads them, is outside the sandbox.

    Raises
    ------
    EvenkeelError
        They are no list of texts, or one is an option, a path, a URL, or malformed.
    """
    remedy = "Choose another release, or report it to its authors"
    if not isinstance(requires, list) or not all(isinstance(one, str) for one in requires):
        raise EvenkeelError(f"The build requirements of {what} are not a list of texts", remedy)
    found = []
    for text in requires:
        try:
            url, line = Requirement(text.strip()).url, normal(text.strip())
        except (InvalidRequirement, RecursionError):
            url, line = None, ""
        if url or not line or _MEANT_OTHERWISE.search(line):
            raise EvenkeelError(
                f"The build requirement {text[:_SHOWN]!r} of {what} does not name a distribution of an index, as "
                "'setuptools>=61' does; options, paths and URLs are refused",
                remedy,
            )
        found.append(line)
    return found


def make_environment(
    directory: Path, requirements: Sequence[str], interpreter: Interpreter, places: Mapping[str, str], what: str
) -> None:
    """Make a virtual environment of an interpreter that holds exact requirements, from wheels with their hashes.

    uv starts the Python that it installs for, and packages of a lock may run in the sandbox alone: so uv makes the
    environment for the control node's Python, and it becomes the interpreter's when uv is done.

    Parameters
    ----------
    directory
        Where it will be.
    requirements
        Each one line with hashes.
    interpreter, places
        As of ``resolve``.
    what
        What is installed, for the error, such as ``The build requirements of tool 1.0``.
    """
    made = ("venv", "--quiet", "--relocatable", "--python", sys.executable, str(directory))
    _uv("The build's environment could not be made", *made)
    if requirements:
        _uv(
            f"{what} cannot be installed",
            *("pip", "install", "--quiet", "--require-hashes", "--no-deps", "--no-build", "--requirements", "-"),
            # A build that writes to its environment must not write to uv's cache.
            *("--link-mode", "copy", "--no-compile-bytecode"),
            *("--python", str(directory / "bin" / "python"), *_running(interpreter)),
            text="\n".join(requirements),
            variables=places,
        )
    _hand_over(directory, interpreter)


def _hand_over(directory: Path, interpreter: Interpreter) -> None:
    """Make a virtual environment of the control node's Python one of another."""
    library = next((directory / "lib").glob("python*"))
    programs = directory / "bin"
    (programs / library.name).unlink()
    own = f"python{'.'.join(interpreter.version.split('.')[:2])}"
    library.rename(library.with_name(own))
    for name, target in (("python", interpreter.program), ("python3", "python"), (own, "python")):
        (programs / name).unlink(missing_ok=True)
        (programs / name).symlink_to(target)
    (directory / "pyvenv.cfg").write_text(
        f"home = {interpreter.program.parent}\ninclude-system-site-packages = false\nversion = {interpreter.version}\n",
        encoding="utf-8",
    )


def resolve(requirements: list[str], interpreter: Interpreter, places: Mapping[str, str], what: str) -> tuple[str, ...]:
    """Return exact requirements with hashes, one of each distribution, sorted.

    Parameters
    ----------
    requirements
        As the project names them.
    interpreter
        What they are installed for.
    places
        uv's variables that name where wheels come from; its arguments would show credentials to every user.
    what
        The release that is built, for the error.

    Raises
    ------
    EvenkeelError
        One is not a distribution of the index, nothing fits, or there is no wheel; build requirements are not built
        from source.
    """
    asked = checked(requirements, what)
    if not asked:
        return ()
    answer = _uv(
        f"The build requirements of {what} ({', '.join(asked)}) cannot be resolved",
        *("pip", "compile", "-", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras"),
        *("--only-binary", ":all:", "--no-python-downloads"),
        *("--python", sys.executable, *_running(interpreter)),
        text="\n".join(asked),
        variables=places,
    )
    return pinned(answer)


def _running(interpreter: Interpreter) -> list[str]:
    """Return uv's options that say what runs the requirements; without a platform, that is this machine."""
    platform = ["--python-platform", interpreter.platform] if interpreter.platform else []
    return ["--python-version", interpreter.version, *platform]


def pinned(answer: str) -> tuple[str, ...]:
    """Return the requirements of a file of uv's, each in one line.

    >>> pinned("wheel==0.45.1 \\\\\\n    --hash=sha256:aa \\\\\\n    --hash=sha256:bb\\n")
    ('wheel==0.45.1 --hash=sha256:aa --hash=sha256:bb',)
    """
    joined = re.sub(r"\s*\\\n\s*", " ", answer)
    return tuple(sorted(line.strip() for line in joined.splitlines() if re.match(r"[\w]", line)))


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
