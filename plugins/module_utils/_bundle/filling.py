# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files of a bundle, taken into a store that may have some of them from earlier ones."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Sequence
from typing import IO

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.check import Checked
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.manifest import Bundle, stored_path
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    chunks,
    disk_full,
    existing,
    require_space,
    sha256_of_chunks,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store, bytes_of, lacking

#: In a manifest's ``made``.
TIME = "time"


def to_bring(store: Store, files: Sequence[File], bundle: Bundle) -> list[File]:
    """Return the files that a store lacks and the bundle has, each once.

    Raises
    ------
    EvenkeelError
        Neither has some of them: a bundle before this one was not installed.
    """
    wanted = {one.sha256: one for one in lacking(store, files)}
    stored = {one.path for one in bundle.files}
    absent = [one for one in wanted.values() if stored_path(one.sha256) not in stored]
    if absent:
        before = bundle.follows or "before"
        raise EvenkeelError(
            "%s has only what the bundle %s lacked, and %s does not have that one: %d files such as %s are in neither"
            % (bundle.title, before, store.root, len(absent), absent[0].path),
            "Nothing was installed. Install the bundle %s first, or have a whole one made, without bundle_follows"
            % before,
        )
    return list(wanted.values())


def require_newer(current: Manifest | None, wanted: Manifest, bundle: Bundle, allow: str) -> None:
    """Refuse a bundle that is older than what is installed.

    Parameters
    ----------
    allow
        How the operator allows that.
    """
    has = current.made.get(TIME, "") if current else ""
    if current and current.id != wanted.id and wanted.made.get(TIME, "") < has:
        raise EvenkeelError(
            "%s is older than what is installed, which is of %s" % (bundle.title, has),
            "Nothing was installed. Take the newest bundle; to go back to this one, %s" % allow,
        )


def fill(store: Store, files: Iterable[File], checked: Checked) -> None:
    """Take files of a bundle into a store.

    Raises
    ------
    EvenkeelError
        A file changed after the check, or the disk is full.
    """
    wanted = list(files)
    require_space(existing(store.root), bytes_of(wanted), checked.bundle.title)
    for one in wanted:
        with checked.source.open(stored_path(one.sha256)) as stream:
            keep(store, one.sha256, stream, one.path)


def keep(store: Store, sha256: str, source: IO[bytes], name: str) -> None:
    """Take a file into a store; its hash is checked on the way.

    Raises
    ------
    EvenkeelError
        It is another file, or the disk is full.
    """
    partial = store.partial(sha256)
    try:
        with open(partial, "wb") as target:
            found = sha256_of_chunks(chunks(source.read), target.write)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)
        if error.errno == errno.ENOSPC:
            raise disk_full(store.root) from error
        raise
    if found != sha256:
        os.unlink(partial)
        raise EvenkeelError("%s changed after it was checked" % name, "Copy the bundle anew, then run again")
    store.keep(partial, sha256)
