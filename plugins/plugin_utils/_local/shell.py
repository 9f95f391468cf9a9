# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A shell or a command of the user's in an activated environment; this process becomes it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import activated
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: How long the activation scripts of packages may take.
SECONDS = 60
#: What shells read at their start; the user's own files first, then the activation once more: they may change it.
STARTS = Path(__file__).parent / "shells"
#: What they evaluate, and the folder of zsh's own files.
AGAIN, ZDOTDIR = "EVENKEEL_ACTIVATION", "EVENKEEL_ZDOTDIR"
#: With what ``bin/evenkeel`` runs: within, the first python3 of PATH is the environment's, which lacks what it needs.
PYTHON = "EVENKEEL_PYTHON"


def enter(prefix: str, command: Sequence[str]) -> NoReturn:
    """Become a command, or the user's shell where there is none, in the environment at ``prefix``.

    Raises
    ------
    EvenkeelError
        The activation scripts of the environment's packages failed, or there is no such command.
    """
    before = dict(os.environ)
    after = {**activation(prefix, before), PYTHON: sys.executable}
    argv = list(command)
    if not argv:
        shell = before.get("SHELL") or "/bin/sh"
        argv, after = of_shell(shell, before, after)
    program = shutil.which(argv[0], path=after["PATH"])
    if program is None:
        raise EvenkeelError("There is no command %s" % argv[0], "Correct the command, or set SHELL to the shell to use")
    try:
        os.execve(program, argv, after)  # noqa: S606
    except OSError as error:
        raise EvenkeelError("%s can't be run: %s" % (program, error.strerror), "Correct the command") from error


def activation(prefix: str, before: Mapping[str, str]) -> dict[str, str]:
    """Return all variables with the environment activated, by conda's rules and the scripts of its packages."""
    place = os.fsencode(os.path.realpath(prefix))
    given = {os.fsencode(name): os.fsencode(value) for name, value in before.items()}
    distribution = os.path.dirname(os.path.dirname(given.get(b"CONDA_EXE", b""))) or b"/nonexistent"
    name = activated.name_of(os.fsencode(prefix), place, distribution)
    found = activated.activated(place, name, distribution, given)
    scripts = activated.scripts(place, distribution)
    try:
        left = activated.after(scripts, found, str(SECONDS)) if scripts else found
    except (activated.Failed, OSError) as error:
        raise EvenkeelError("%s can't be activated: %s" % (prefix, error), "Correct what the script needs") from error
    return {os.fsdecode(name): os.fsdecode(value) for name, value in left.items()}


def of_shell(shell: str, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the command and the variables of an interactive shell whose own files do not undo the activation; pure."""
    name = os.path.basename(shell)
    if name == "fish":
        return [shell, "--init-command", "\n".join(_for_fish(before, after))], dict(after)
    if name == "bash":
        return [shell, "--rcfile", str(STARTS / "bashrc"), "-i"], {**after, AGAIN: "\n".join(_for_posix(before, after))}
    if name == "zsh":
        own = before.get("ZDOTDIR") or before.get("HOME", "/")
        variables = {AGAIN: "\n".join(_for_posix(before, after)), ZDOTDIR: own, "ZDOTDIR": str(STARTS / "zsh")}
        return [shell, "-i"], {**after, **variables}
    return [shell, "-i"], dict(after)


def _for_posix(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    front, values, gone = _changes(before, after)
    yield 'export PATH=%s"$PATH"' % shlex.quote("".join("%s:" % folder for folder in front))
    yield from ("export %s=%s" % (name, shlex.quote(value)) for name, value in values.items())
    yield from ("unset %s" % name for name in gone)


def _for_fish(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    def quoted(text: str) -> str:
        return "'%s'" % text.replace("\\", "\\\\").replace("'", "\\'")

    front, values, gone = _changes(before, after)
    yield " ".join(["set -gx PATH", *map(quoted, front), "$PATH"])
    yield from ("set -gx %s %s" % (name, quoted(value)) for name, value in values.items())
    yield from ("set -e %s" % name for name in gone)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Return what an activation changes: folders that come first in PATH, other variables, and those that go."""
    known = before.get("PATH", "").split(":")
    front = [folder for folder in after["PATH"].split(":") if folder not in known]
    named = [name for name in sorted({*before, *after} - {"PATH"}) if name.isidentifier()]
    values = {name: after[name] for name in named if name in after and after[name] != before.get(name)}
    return front, values, [name for name in named if name not in after]
