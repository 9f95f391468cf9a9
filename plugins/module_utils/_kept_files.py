# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files that a module keeps as a whole: text, owner and mode, secrets among them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._secrets import difference


@dataclass(frozen=True)
class Kept:
    """A file: its text, and who may do what with it."""

    text: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Change:
    """A file that is to be made, replaced or removed; what a secret one says is in no diff, in neither direction."""

    path: str
    before: Kept | None
    after: Kept | None
    secret: bool = False

    @property
    def of_text(self) -> bool:
        """Whether what it says changes, and not its owner or mode alone."""
        return (self.before and self.before.text) != (self.after and self.after.text)

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        return difference(self.path, self._words(self.before), self._words(self.after))

    def _words(self, file: Kept | None) -> str:
        if file is None:
            return ""
        other = self.before if file is self.after else self.after
        differs = [] if other is None else [(other.mode, other.uid) != (file.mode, file.uid)]
        head = "# owner %d, mode %04o\n" % (file.uid, file.mode) if any(differs) else ""
        if not self.secret:
            return head + file.text
        return head + ("another secret\n" if file is self.after and self.before and self.of_text else "a secret\n")


def read(path: str) -> Kept | None:
    """Return a file as it is, or None when there is none.

    Raises
    ------
    EvenkeelError
        Something else than a file is there.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise EvenkeelError("%s is not a regular file" % path, "Move it away")
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return Kept(stream.read(), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def plan(
    current: Mapping[str, Kept | None], wanted: Mapping[str, Kept | None], secrets: Collection[str] = ()
) -> list[Change]:
    """Return what changes, in the order of ``wanted``; None is no file.

    Parameters
    ----------
    secrets
        The paths of files that hold a secret, whatever becomes of them.
    """
    changes = []
    for path, file in wanted.items():
        before = current.get(path)
        if before is None or file is None:
            same = before is file
        else:
            same = (before.text, before.mode, before.uid) == (file.text, file.mode, file.uid)
        if not same:
            changes.append(Change(path, before, file, path in secrets))
    return changes


def apply(change: Change) -> None:
    """Make the change in one rename; nobody but its owner can read a secret at any moment.

    Raises
    ------
    EvenkeelError
        The file can't be written.
    """
    try:
        if change.after is None:
            os.unlink(change.path)
        elif change.of_text:
            os.makedirs(os.path.dirname(change.path), mode=0o755, exist_ok=True)
            owner = (change.after.uid, change.after.gid)
            write_atomically(change.path, change.after.text, change.after.mode, owner)
        else:
            os.chown(change.path, change.after.uid, change.after.gid)
            os.chmod(change.path, change.after.mode)
    except OSError as error:
        raise EvenkeelError("%s can't be written: %s" % (change.path, error), "Mend that, and run again") from error
