# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Files by their hash, and copies made of them: what is named complete is on the disk, and is switched by one rename.

store/sha256/ab/<64 hex>       files by hash
store/partial/                 downloads that are not complete
copies/<id>/manifest.json      what a copy holds
copies/<id>/tree/              its files by path, hard links into the store
current -> copies/<id>
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, path_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    link_atomically,
    make_directories,
    remove_at_once,
    rename_durably,
    sha256_of,
    sync_directory,
    sync_file_systems,
    write_atomically,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import manifest as manifests
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest

CURRENT, MANIFEST, TREE = "current", "manifest.json", "tree"
_STORE, _PARTIAL, _COPIES = os.path.join("store", "sha256"), os.path.join("store", "partial"), "copies"
_ID = re.compile(r"[0-9a-f]{16}(?P<partial>\.partial)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: What a file system says that can't link a file, or not once more.
CANNOT_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


class Store:
    """The files and copies below a folder.

    Parameters
    ----------
    root
        The folder.
    behind
        Another store that is read too, and never written to.
    """

    def __init__(self, root: str, behind: Store | None = None) -> None:
        self.root = root
        self._behind = behind

    @property
    def lock(self) -> str:
        """The lock that those who change it hold."""
        return os.path.join(self.root, "locks", "copy")

    def path(self, sha256: str) -> str:
        """Return where a file is, or would be."""
        return os.path.join(self.root, _STORE, sha256[:2], sha256)

    def find(self, sha256: str, size: int) -> str:
        """Return where a file is that has the right size, empty where there is none.

        Parameters
        ----------
        size
            0 where it is not known.
        """
        path = self.path(sha256)
        try:
            found = os.lstat(path).st_size
        except FileNotFoundError:
            return self._behind.find(sha256, size) if self._behind else ""
        return path if not size or found == size else ""

    def partial(self, name: str) -> str:
        """Return where a download goes until it is complete; its folder is there afterwards."""
        folder = os.path.join(self.root, _PARTIAL)
        make_directories(folder)
        return os.path.join(folder, name)

    def keep(self, path: str, sha256: str) -> str:
        """Take a complete file of this name into the store, durably; return where it is."""
        target = self.path(sha256)
        if os.path.isfile(target) and sha256_of(target) == sha256:
            # Copies have links to this one.
            os.unlink(path)
            return target
        make_directories(os.path.dirname(target))
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(path, 0o644)
        rename_durably(path, target)
        return target

    def keep_text(self, sha256: str, text: str) -> None:
        """Take a text of this name into the store, durably."""
        with self._named():
            partial = self.partial(sha256)
            write_atomically(partial, text)
            self.keep(partial, sha256)

    def damaged(self, files: Iterable[File]) -> list[File]:
        """Return the files whose content in the store is not what their name says; reads all of them."""
        found: dict[str, bool] = {}
        for one in files:
            if one.sha256 not in found and self.find(one.sha256, one.size):
                found[one.sha256] = sha256_of(self.path(one.sha256)) != one.sha256
        return [one for one in files if found.get(one.sha256)]

    def remove(self, sha256: str) -> None:
        """Remove a damaged file; copies keep their links to it until they are relinked."""
        os.unlink(self.path(sha256))

    def current(self) -> Manifest | None:
        """Return the manifest of the copy that is in use, None where there is none.

        Raises
        ------
        EvenkeelError
            It is damaged, or something that Evenkeel did not make is in the way.
        """
        link = os.path.join(self.root, CURRENT)
        if not os.path.lexists(link):
            return None
        name = os.path.basename(os.readlink(link)) if os.path.islink(link) else ""
        if not _ID.fullmatch(name):
            raise EvenkeelError("%s is not a link that Evenkeel made" % link, "Move it away, then run again")
        return self.read(name)

    def read(self, name: str) -> Manifest | None:
        """Return the manifest of a copy, None where there is none or it is not this copy's."""
        path = os.path.join(self.root, _COPIES, name, MANIFEST)
        try:
            with open(path, "rb") as stream:
                text = stream.read(manifests.MOST_BYTES).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return manifests.parse(text, path) if manifests.identity(text) == name else None

    def names(self) -> list[str]:
        """Return the names of the copies, the newest first."""
        folder = os.path.join(self.root, _COPIES)
        names = [name for name in _listed(folder) if _ID.fullmatch(name) and not name.endswith(".partial")]
        return sorted(names, key=lambda name: (-os.lstat(os.path.join(folder, name)).st_mtime_ns, name))

    def switch(self, wanted: Manifest) -> None:
        """Make a copy of files that are all in the store, and put it to use when all of it is on the disk.

        Raises
        ------
        EvenkeelError
            The store lacks a file, or the disk is full.
        """
        folder = os.path.join(self.root, _COPIES, wanted.id)
        with self._named():
            if self.read(wanted.id) is None or not os.path.isdir(os.path.join(folder, TREE)):
                partial = "%s.partial" % folder
                for left in (partial, folder):
                    shutil.rmtree(left, ignore_errors=True)
                make_directories(os.path.join(partial, TREE))
                for one in wanted.files:
                    self._link(one, os.path.join(partial, TREE, one.path))
                write_atomically(os.path.join(partial, MANIFEST), wanted.text)
                sync_file_systems([partial])
                rename_durably(partial, folder)
            link_atomically(os.path.join(self.root, CURRENT), os.path.join(_COPIES, wanted.id))

    def relink(self, wanted: Manifest, *, check_mode: bool = False) -> list[str]:
        """Have a copy's paths lead to the store again, where they do not or lead to a damaged file; return those."""
        tree = os.path.join(self.root, _COPIES, wanted.id, TREE)
        relinked = []
        for one in wanted.files:
            path = os.path.join(tree, one.path)
            if not _same(path, self.path(one.sha256)):
                relinked.append(one.path)
                if not check_mode:
                    temporary = os.path.join(os.path.dirname(path), ".evenkeel.partial")
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(temporary)
                    self._link(one, temporary)
                    os.rename(temporary, path)
                    sync_directory(os.path.dirname(path))
        return relinked

    def prune(self, keep: int) -> list[str]:
        """Remove copies but the one in use and the newest, and files that no copy names; return the copies' names.

        Parameters
        ----------
        keep
            How many copies stay, with the one in use.
        """
        current = os.path.basename(os.readlink(os.path.join(self.root, CURRENT)))
        others = [name for name in self.names() if name != current]
        kept, removed = [current, *others[: keep - 1]], others[keep - 1 :]
        folder = os.path.join(self.root, _COPIES)
        abandoned = [name for name in _listed(folder) if _ID.fullmatch(name) and name.endswith(".partial")]
        for name in abandoned:
            shutil.rmtree(os.path.join(folder, name))
        for name in removed:
            remove_at_once(os.path.join(folder, name), os.path.join(folder, "%s.partial" % name))
        named = {one.sha256 for manifest in map(self.read, kept) if manifest for one in manifest.files}
        for sha256, path in self._all():
            if sha256 not in named:
                os.unlink(path)
        for name in _listed(os.path.join(self.root, _PARTIAL)):
            os.unlink(os.path.join(self.root, _PARTIAL, name))
        return removed

    def contents(self) -> list[str]:
        """Return the paths of all that was made in the folder: the link, what copies have, and files by hash."""
        link, copies, partial = (os.path.join(self.root, name) for name in (CURRENT, _COPIES, _PARTIAL))
        ours = os.path.islink(link) and _ID.fullmatch(os.path.basename(os.readlink(link)))
        found = [link] if ours else []
        for name in filter(_ID.fullmatch, _listed(copies)):
            for folder, _folders, files in os.walk(os.path.join(copies, name)):
                found += [os.path.join(folder, file) for file in files]
        found += [path for _sha256, path in self._all()]
        return found + [os.path.join(partial, name) for name in _listed(partial)]

    def clear(self) -> None:
        """Remove all that was made in the folder, and the directories in which nothing is left."""
        for path in self.contents():
            os.unlink(path)
        for name in (_COPIES, os.path.dirname(_STORE)):
            remains.clear(os.path.join(self.root, name))

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Have errors of the system name the folder where they name no file, as those of a full disk."""
        try:
            yield
        except OSError as error:
            raise from_os(error, path_of(error) or self.root) from error

    def _all(self) -> Iterator[tuple[str, str]]:
        """Yield the files of the store; what is not named by a hash is somebody else's."""
        for first in _listed(os.path.join(self.root, _STORE)):
            folder = os.path.join(self.root, _STORE, first)
            for name in _listed(folder):
                if _SHA256.fullmatch(name) and name.startswith(first):
                    yield name, os.path.join(folder, name)

    def _link(self, one: File, target: str) -> None:
        source = self.find(one.sha256, one.size)
        if not source:
            raise EvenkeelError("%s is not complete in %s" % (one.path, self.root), "Run again to have it fetched")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in CANNOT_LINK:
                raise from_os(error, target) from error
            os.symlink(os.path.relpath(source, os.path.dirname(target)), target)


def lacking(store: Store, files: Sequence[File]) -> list[File]:
    """Return the files that a store does not have with their size."""
    return [one for one in files if not store.find(one.sha256, one.size)]


def bytes_of(files: Iterable[File]) -> int:
    """Return how much room files take, each counted once."""
    sizes: Mapping[str, int] = {one.sha256: one.size for one in files}
    return sum(sizes.values())


def _same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except FileNotFoundError:
        return False


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
