# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The format of the files in which Evenkeel keeps what it knows of a node: a newer one is refused, never guessed at."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: Of a node's list of notebook servers, which a module writes and the front door and the control node read.
NOTEBOOK_SERVERS = 1


def require_known(path: str, content: object, known: int) -> None:
    """Refuse a file that a newer Evenkeel has written.

    Parameters
    ----------
    path
        The file.
    content
        What it holds, parsed. Without a number as its ``format``, it is an older file or a damaged one.
    known
        The newest format that this Evenkeel can read.

    Raises
    ------
    EvenkeelError
        The format of the file is newer.
    """
    written = content.get("format") if isinstance(content, dict) else None
    if isinstance(written, int) and written > known:
        raise EvenkeelError(
            "%s was written by a newer Evenkeel (format %d; this one knows %d)" % (path, written, known),
            "Upgrade the collection evenkeel.gpu where you run it",
        )
