# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Text files that a module keeps as a whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._secrets import difference

#: The first line of every file that is ours; one without it is somebody else's.
MARK = "# Kept by Evenkeel: changes made here by hand are undone."


@dataclass(frozen=True)
class Change:
    """A file that is to have another text; None is no file."""

    path: str
    before: str | None
    after: str | None

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        return difference(self.path, self.before, self.after)


def read(path: str) -> str | None:
    """Return the text of a file, or None when there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def plan(current: Mapping[str, str | None], wanted: Mapping[str, str | None]) -> list[Change]:
    """Return what changes, in the order of ``wanted``: a text for each path, None for none.

    Raises
    ------
    EvenkeelError
        A file stands where one is wanted, without our mark.
    """
    changes = [Change(path, current[path], text) for path, text in wanted.items() if current[path] != text]
    for change in changes:
        if change.before is not None and not change.before.startswith(MARK):
            raise EvenkeelError(
                "%s was not written by Evenkeel" % change.path, "Move it away, if nobody needs what it says"
            )
    return changes


def changes(wanted: Mapping[str, str | None]) -> list[Change]:
    """Return what changes on this node."""
    return plan({path: read(path) for path in wanted}, wanted)


def apply(changes: Iterable[Change]) -> None:
    """Write and remove files."""
    for change in changes:
        if change.after is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(change.path)
        else:
            os.makedirs(os.path.dirname(change.path), mode=0o755, exist_ok=True)
            write_atomically(change.path, change.after)
