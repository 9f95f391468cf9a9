# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files and folders of users, read within limits, where only a regular file of the user's own or root's counts.

To be called with the user's rights, through ``_as_user``: a path may lead anywhere, and may hang.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MOST_NAMES = 1000


class Refused(EvenkeelError):
    """A file or folder that was not read.

    Parameters
    ----------
    path
        Which.
    reason
        Why.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__("%s: %s" % (path, reason), "Move it away, or fix it")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Content:
    """What a file holds, and what it is."""

    data: bytes
    status: os.stat_result

    @property
    def mode(self) -> int:
        return stat.S_IMODE(self.status.st_mode)

    @property
    def text(self) -> str:
        """The data as text; what is not UTF-8 stays in it as surrogate escapes."""
        return self.data.decode("utf-8", "surrogateescape")


def read(path: str, uid: int | None, most_bytes: int) -> Content | None:
    """Return a file's content, links followed, or None where there is none.

    Parameters
    ----------
    uid
        The user; a file of anyone else but root is refused. None takes a file of anyone.
    most_bytes
        How large it may be.

    Raises
    ------
    Refused
        It is not a regular file of the user's own or root's, is too large, or can't be read.
    """
    try:
        # A path alone opens nothing: neither a pipe blocks nor does a device act.
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Refused(path, _words(error)) from None
    try:
        status = os.fstat(found)
        if not stat.S_ISREG(status.st_mode):
            raise Refused(path, "is %s, not a regular file" % _kind(status.st_mode))
        if uid is not None and status.st_uid not in (0, uid):
            raise Refused(path, "belongs to %s" % _name(status.st_uid))
        if status.st_size > most_bytes:
            raise Refused(path, _too_large(most_bytes))
        try:
            descriptor = os.open("/proc/self/fd/%d" % found, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            raise Refused(path, _words(error)) from None
    finally:
        os.close(found)
    try:
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(most_bytes + 1)
    except OSError as error:
        raise Refused(path, _words(error)) from None
    if len(data) > most_bytes:  # it has grown meanwhile
        raise Refused(path, _too_large(most_bytes))
    return Content(data, status)


def names(path: str, most: int = MOST_NAMES) -> list[str]:
    """Return the sorted names in a folder, links followed; none where there is no folder.

    Raises
    ------
    Refused
        There are more than ``most``, or it can't be read.
    """
    found = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                found.append(entry.name)
                if len(found) > most:
                    raise Refused(path, "holds more than %d files" % most)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Refused(path, _words(error)) from None
    return sorted(found)


def _too_large(most_bytes: int) -> str:
    return "is larger than %d KiB" % (most_bytes >> 10)


def _words(error: OSError) -> str:
    return error.strerror or str(error)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "user %d" % uid
