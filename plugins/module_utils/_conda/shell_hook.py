# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The command conda in all users' shells, from the system's own start-up files; no user's files are touched."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically

#: Read by login shells of the Bourne family; Debian's zsh alone does not read it by itself.
PROFILE = "/etc/profile.d/evenkeel-conda.sh"
ZSH_PROFILE = "/etc/zsh/zprofile"
FISH = "/etc/fish/conf.d/evenkeel-conda.fish"
#: A directory that is there when the shell is.
ZSH = "/etc/zsh"
FISH_SHELL = "/etc/fish"
BEGIN = "# BEGIN Evenkeel: conda"
END = "# END Evenkeel: conda"
# From a beginning to the next end; after a beginning without an end, nothing is taken for ours.
_INSIDE = "(?!%s|%s).*\n" % (re.escape(BEGIN), re.escape(END))
_BLOCK = re.compile(r"^%s\s*\n(?:%s)*%s[ \t]*(?:\n|\Z)" % (re.escape(BEGIN), _INSIDE, re.escape(END)), re.MULTILINE)
_HEADER = "# Managed by Evenkeel: conda for login shells, without activating anything.\n"


@dataclass(frozen=True)
class Plan:
    """Files and what they must contain; None for one that goes."""

    files: tuple[tuple[str, str | None], ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.files)

    @property
    def lines(self) -> tuple[str, ...]:
        """What changes, one line each."""
        return tuple("%s %s" % ("-" if content is None else "~", path) for path, content in self.files)


def read() -> dict[str, str | None]:
    """Return the content of each file that has a place on this node, None for one that is not there.

    One of ours that people's shells can't read is as good as empty.
    """
    found: dict[str, str | None] = {PROFILE: _content(PROFILE)}
    for path, shell in ((ZSH_PROFILE, ZSH), (FISH, FISH_SHELL)):
        if os.path.isdir(shell):
            found[path] = _content(path)
    for path in (PROFILE, FISH):
        if found.get(path) and not kept_files.for_all(path):
            found[path] = ""
    return found


def plan(state: Mapping[str, str | None], prefix: str, *, wanted: bool) -> Plan:
    """Decide; pure."""
    hook = os.path.join(prefix, "etc", "profile.d", "conda.sh")
    desired: dict[str, str | None] = {
        PROFILE: _HEADER + "if [ -r {0} ]; then\n    . {0}\nfi\n".format(shlex.quote(hook)),
        FISH: _HEADER + fish(os.path.join(prefix, "etc", "fish", "conf.d", "conda.fish")),
    }
    if not wanted:
        desired = dict.fromkeys(desired)
    if ZSH_PROFILE in state:
        before = state[ZSH_PROFILE] or ""
        after = with_block(before, ". %s\n" % PROFILE if wanted else "")
        desired[ZSH_PROFILE] = state[ZSH_PROFILE] if after == before else after or None
    return Plan(tuple((path, desired[path]) for path in state if state[path] != desired[path]))


def fish(hook: str) -> str:
    """Return the code that has fish know conda where a person types."""
    quoted = "'%s'" % hook.replace("\\", "\\\\").replace("'", "\\'")
    return f"if begin; status is-login; or status is-interactive; end; and test -r {quoted}\n    source {quoted}\nend\n"


def with_block(text: str, block: str) -> str:
    """Return a file of many writers with our block, at its end when it is new; without it when it is empty."""
    ours = "%s\n%s%s\n" % (BEGIN, block, END) if block else ""
    before, *after = _BLOCK.split(text)
    if after:
        return before + ours + "".join(after)
    separator = "\n" if ours and text and not text.endswith("\n") else ""
    return text + separator + ours


def apply(plan: Plan) -> None:
    """Write and remove the files."""
    for path, content in plan.files:
        _apply(path, content)


def _apply(path: str, content: str | None) -> None:
    try:
        if content is not None:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            # The file of many writers may be a link; what has our name is replaced, whatever it is.
            write_atomically(os.path.realpath(path) if path == ZSH_PROFILE else path, content)
        elif os.path.lexists(path):
            os.unlink(path)
    except OSError as error:
        raise _failure(path, error) from error


def _content(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(path, error) from error


def _failure(path: str, error: OSError) -> EvenkeelError:
    return EvenkeelError(
        "The command conda can't be given to shells by %s (%s)" % (path, error.strerror),
        "%s, or set shell_hook: false (miniconda_shell_hook of the role)" % way_out(error, path),
    )
