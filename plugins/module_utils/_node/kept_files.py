# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files that Evenkeel keeps, as a whole or in part: what is there, whose it is, what changes, and the change itself.

A change has one diff. A secret is in it in no direction: not when it is made, replaced, removed, or gets another mode.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories, write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked

#: The first line of the files that can have a comment.
MARK = "# Kept by Evenkeel: changes made here by hand are undone."
#: A path with this name in it is used by Evenkeel alone.
OUR_NAME = "evenkeel"
#: More bytes than any of them has. A user's token belongs to the user, who may make it as large as the disk.
_LARGEST = 1 << 20
#: A file of these characters alone is what a crash leaves, and is not worth keeping.
_BLANK = "\0 \t\r\n"
#: Clocks of file servers and nodes differ by so many seconds.
_CLOCKS_DIFFER = 60.0


@dataclass(frozen=True)
class Kept:
    """A file: its text, and who may do what with it.

    Parameters
    ----------
    ahead
        Whether its time is still to come, so that nothing could ever be newer.
    """

    text: str
    mode: int = 0o644
    uid: int = field(default_factory=os.geteuid)
    gid: int = field(default_factory=os.getegid)
    ahead: bool = False

    @property
    def for_all(self) -> bool:
        """Whether everybody may read it."""
        return self.mode & 0o444 == 0o444


@dataclass(frozen=True)
class Change:
    """A file that is to be made, replaced or removed.

    Parameters
    ----------
    secret
        Whether the file is a secret as a whole, so that no diff shows its text.
    ours
        What is ours of the texts before and after, of a file in which others may keep secrets: a diff shows this
        alone.
    """

    path: str
    before: Kept | None
    after: Kept | None
    secret: bool = False
    ours: tuple[str, str] | None = None

    @property
    def changed(self) -> bool:
        """Whether anything changes: the text, the mode, the owner, or a time that is still to come."""
        if self.before is None or self.after is None:
            return self.before is not self.after
        compared = ((file.text, file.mode, file.uid, file.ahead) for file in (self.before, self.after))
        return next(compared) != next(compared)

    @property
    def of_text(self) -> bool:
        """Whether its text changes, and not its owner, mode or time alone."""
        return (self.before and self.before.text) != (self.after and self.after.text)

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences, without the credentials of URLs and without private keys."""
        before, after = masked(self._words(self.before)), masked(self._words(self.after))
        if before == after and self.before and self.after and self.of_text and self.ours is None:
            after += "# What differs is a password, a token or a key, which is not shown.\n"
        return {"before_header": self.path, "after_header": self.path, "before": before, "after": after}

    def _words(self, file: Kept | None) -> str:
        if file is None:
            return ""
        other = self.before if file is self.after else self.after
        differs = [] if other is None else [(other.mode, other.uid) != (file.mode, file.uid)]
        head = "# owner %d, mode %04o\n" % (file.uid, file.mode) if any(differs) else ""
        head += "# its time is still to come\n" if file.ahead else ""
        if self.ours is not None:
            return head + self.ours[file is self.after]
        if not self.secret:
            return head + file.text
        return head + ("another secret\n" if file is self.after and self.before and self.of_text else "a secret\n")


def is_ours(path: str, text: str, mark: str = MARK) -> bool:
    """Return whether a file may be replaced or removed.

    Paths with our name in them are ours whatever is there. At any other one that has to be seen from the text: it has
    our mark somewhere, or is so damaged that it says nothing.
    """
    return OUR_NAME in path or mark in text or mark.startswith(text.strip(_BLANK))


def is_blank(text: str) -> bool:
    """Return whether a file has no content, as after a crash."""
    return not text.strip(_BLANK)


def for_all(path: str) -> bool:
    """Return whether everybody may read a file."""
    return os.stat(path).st_mode & 0o444 == 0o444


def require_ours(changes: Iterable[Change]) -> None:
    """Refuse to change files that Evenkeel did not write.

    Raises
    ------
    EvenkeelError
        A file is not ours.
    """
    for change in changes:
        if change.before is not None and not is_ours(change.path, change.before.text):
            raise EvenkeelError(
                "%s was not written by Evenkeel, or is damaged" % change.path,
                "Move it away, if its content is not needed",
            )


def text(path: str, most: int = -1) -> str | None:
    """Return the text of anybody's file, or ``most`` characters of it, or None when there is none.

    Raises
    ------
    BlockingIOError
        Its owner has a lease on it, which would keep the reader waiting.
    """
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="", opener=_open_at_once) as stream:
            return stream.read(most)
    except FileNotFoundError:
        return None


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read(path: str) -> Kept | None:
    """Return a file as it is, or None when there is none; of one that is kept as a whole, no more than may be in it.

    Raises
    ------
    EvenkeelError
        Something else than a file is there.
    """
    return _read(path, whole=False)


def read_shared(path: str) -> Kept | None:
    """Return a file in which others write too, and which is to be edited: all of it, links followed.

    Raises
    ------
    EvenkeelError
        Something else than a file is there, or it can't be read.
    """
    try:
        return _read(os.path.realpath(path), whole=True)
    except OSError as error:
        raise from_os(error, path) from error


def edited(path: str, before: Kept | None, text: str | None, ours: tuple[str, str] | None = None) -> Change:
    """Return the change of a file in which others write too: its owner and its mode stay; None removes the file.

    Parameters
    ----------
    ours
        What is ours of the texts before and after, see ``Change``.
    """
    after = None if text is None else replace(before, text=text) if before else Kept(text)
    return Change(os.path.realpath(path), before, after, ours=ours)


def _read(path: str, *, whole: bool) -> Kept | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise EvenkeelError("%s is not a regular file" % path, "Move it away, and run again")
    ahead = status.st_mtime > time.time() + _CLOCKS_DIFFER
    try:
        said = text(path, -1 if whole else _LARGEST) or ""
    except BlockingIOError:  # a file of ours is replaced, which no lease prevents
        if whole:
            raise
        said = ""
    return Kept(said, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, ahead)


def plan(
    current: Mapping[str, Kept | None], wanted: Mapping[str, Kept | None], secrets: Collection[str] = ()
) -> list[Change]:
    """Return what changes, in the order of ``wanted``; None is no file.

    Parameters
    ----------
    secrets
        The paths of files that hold a secret, whatever becomes of them.
    """
    changes = (Change(path, current.get(path), file, path in secrets) for path, file in wanted.items())
    return [change for change in changes if change.changed]


def changes(wanted: Mapping[str, str | None]) -> list[Change]:
    """Return what changes on this node, by the text of each file; None for no file.

    Raises
    ------
    EvenkeelError
        Something is in the way that is not ours.
    """
    files = {path: None if content is None else Kept(content) for path, content in wanted.items()}
    found = plan({path: read(path) for path in files}, files)
    require_ours(found)
    return found


def apply(change: Change) -> None:
    """Make the change in one rename; only its owner can read a secret at any moment.

    Raises
    ------
    EvenkeelError
        The file can't be written.
    """
    try:
        if change.after is None:
            os.unlink(change.path)
        elif change.of_text:
            make_directories(os.path.dirname(change.path))
            owner = (change.after.uid, change.after.gid)
            write_atomically(change.path, change.after.text, change.after.mode, owner)
        else:
            os.chown(change.path, change.after.uid, change.after.gid)
            os.chmod(change.path, change.after.mode)
            if change.before and change.before.ahead:
                os.utime(change.path)
    except FileNotFoundError:
        if change.after is not None:
            raise
    except OSError as error:
        raise from_os(error, change.path) from error


def withdraw(path: str, follow: Callable[[], None]) -> None:
    """Remove a file of ours that something has to follow. It says nothing until that is done, so a killed run is seen.

    Parameters
    ----------
    follow
        What has to be done where the file says nothing; it may go by the time of the file.
    """
    file = read(path)
    if file is None:
        return
    empty = Change(path, file, replace(file, text=MARK + "\n"))
    if empty.of_text:
        apply(empty)
    follow()
    apply(Change(path, empty.after, None))


def apply_all(changes: Iterable[Change]) -> None:
    """Make changes, in their order."""
    for change in changes:
        apply(change)
