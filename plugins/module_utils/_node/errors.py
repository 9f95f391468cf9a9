# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The one error of Evenkeel's modules, and remedies for errors of the operating system."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import sanitise
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked


class EvenkeelError(Exception):
    """A failure that the operator can act on. Its text may quote users and mirrors; it is sanitised and masked.

    Parameters
    ----------
    what
        What failed, on what.
    remedy
        What to do about it.
    details
        Further keys of the module's failure result, such as ``rc`` or ``stderr``.
    """

    def __init__(self, what: str, remedy: str, **details: Any) -> None:
        super().__init__(sanitise(masked("%s. %s." % (what.rstrip(". \n"), remedy.rstrip(". \n")))))
        self.what = what
        self.remedy = remedy
        self.details = details


@contextmanager
def carrying(warnings: Sequence[str]) -> Iterator[None]:
    """Add the warnings collected so far to the details of an error that ends the block, so that they are shown too."""
    try:
        yield
    except EvenkeelError as error:
        error.details["warnings"] = [*warnings, *error.details.get("warnings", ())]
        raise
    except OSError as error:
        failed = from_os(error)
        failed.details["warnings"] = list(warnings)
        raise failed from error


#: What to do about an error of the system, by its number; %s is the path.
_WAYS_OUT = {
    errno.EPERM: "Look at `lsattr -d %s`: with the attribute i nothing can change it until `chattr -i %s`",
    errno.EACCES: "Look at the permissions of %s, and at its file system: over NFS, root may not be root",
    errno.EROFS: "The file system of %s is read-only: find out why (`dmesg`), and mount it for writing",
    errno.EISDIR: "Move the directory %s away",
    errno.ENOTDIR: "Move away what is not a directory on the way to %s",
    errno.ELOOP: "Move away the symbolic link at %s, or on the way to it",
    errno.ENOSPC: "Free some space on the file system of %s",
    errno.EDQUOT: "Free some space on the file system of %s, or raise the quota",
    errno.EIO: "The disk of %s does not work (`dmesg`): replace it, or check its file system",
}
#: On the control node, nothing becomes root.
WITHOUT_ROOT = "Run this as root (become: true), or as a user with access to"
#: Of one's own files, on a user's machine.
_CLOSED = "%s is yours, and closed to you: open it with `chmod -R u+rwX %s`"


def from_os(error: OSError, path: str = "") -> EvenkeelError:
    """Return an error of the system as one that an operator can act on.

    Parameters
    ----------
    path
        The file, where the error names none or a temporary one.
    """
    path = path or path_of(error)
    what = "%s: %s" % (path, os.strerror(error.errno)) if path and error.errno else str(error)
    return EvenkeelError(what, "%s, then run again" % way_out(error, path))


def path_of(error: OSError) -> str:
    """Return the path that an error of the system is about; empty where it does not say."""
    return str(error.filename2 or error.filename or "")


def way_out(error: OSError, path: str) -> str:
    """Return what to do about an error of the system."""
    closed = _closed(path) if path and lacks_root(error) else ""
    if closed:
        return _CLOSED.replace("%s", closed)
    remedy = WITHOUT_ROOT + " %s" if lacks_root(error) else _WAYS_OUT.get(error.errno or 0, "Repair that")
    return remedy.replace("%s", path or "it")


def _closed(path: str) -> str:
    """Return what of one's own is closed to oneself, a path or the directory that it is in; empty where nothing is."""
    place = os.path.abspath(path)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    for one in (place, os.path.dirname(place)):
        needed = os.R_OK | os.W_OK | (os.X_OK if os.path.isdir(one) else 0)
        if os.lstat(one).st_uid == os.geteuid() and not os.access(one, needed):
            return one
    return ""


def lacks_root(error: BaseException | None) -> bool:
    """Whether a process that is not root's was refused what root may do."""
    return isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES) and os.geteuid() != 0


def unexpected(error: Exception) -> EvenkeelError:
    """Return an unexpected error as one that an operator can report."""
    return EvenkeelError(
        "An error in Evenkeel itself: %s: %s" % (type(error).__name__, error),
        "Report it, with what ANSIBLE_DISPLAY_TRACEBACK=error shows of it",
    )
