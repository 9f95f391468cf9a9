# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether every file of an environment still is what its packages brought."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation, clobbered_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode import MANIFEST, read_manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import (
    LINKS,
    META,
    InstalledFile,
    links_of,
    of_conda,
    of_pip,
    pip_distributions,
    records,
    site_packages,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of_chunks

_CHUNK_BYTES = 1 << 20
#: Below the prefix, made by installers for themselves.
#: What packages' scripts made when the environment was built: path to SHA-256 and whether it is a symbolic link.
SCRIPTED = os.path.join(META, "evenkeel-scripted")
_BOOKKEEPING = ("CACHEDIR.TAG", META)


@dataclass(frozen=True)
class Report:
    """What has become of an environment's files; all paths are relative to its prefix, and sorted."""

    edited: tuple[str, ...]
    missing: tuple[str, ...]
    #: Files that no package brought: people's own.
    user_files: tuple[str, ...]
    hashed_bytes: int

    @property
    def intact(self) -> bool:
        """Whether all files of the packages are as they were brought, whatever people put beside them."""
        return not self.edited and not self.missing

    def lines(self) -> list[str]:
        """Return one line for each file that is not as its package brought it."""
        return ["edited %s" % path for path in self.edited] + ["missing %s" % path for path in self.missing]


@dataclass(frozen=True)
class Expectation:
    """What an environment's own bookkeeping says of its files."""

    #: By path; more than one where packages claim the same path, any of which may have won.
    files: Mapping[str, Sequence[InstalledFile]]
    #: Records that can't be understood.
    broken: tuple[str, ...]


def verify_files(prefix: str) -> Report:
    """Hash every file of the environment at ``prefix`` and compare it with what its packages brought.

    Raises
    ------
    EvenkeelError
        ``prefix`` is not an environment, or a file can't be read.
    """
    expectation = expected(prefix)
    users = _of_users(expectation, prefix)
    paths = list(expectation.files)
    workers = len(os.sched_getaffinity(0))
    edited, hashed_bytes = list(expectation.broken), 0
    missing: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        # Every part has its share of large and small files; neighbours are alike.
        parts = (paths[start::workers] for start in range(workers))
        for part in pool.map(lambda part: _compare(prefix, part, expectation.files), parts):
            edited += part.edited
            missing += part.missing
            hashed_bytes += part.hashed_bytes
    return Report(tuple(sorted(edited)), tuple(sorted(missing)), users, hashed_bytes)


def user_files(prefix: str) -> tuple[str, ...]:
    """Return the files below ``prefix`` that no package brought, relative to it and sorted; nothing is hashed."""
    return _of_users(expected(prefix), prefix)


def note_files_of_scripts(prefix: str) -> None:
    """Vouch for what packages' own scripts made in a fresh environment, since no record has it."""
    if not glob.glob(os.path.join(glob.escape(prefix), "bin", ".*-post-link.sh")):
        return
    made = {path: _hash(os.path.join(prefix, path), True) for path in user_files(prefix)}
    with open(os.path.join(prefix, SCRIPTED), "w", encoding="utf-8") as stream:
        json.dump({path: [sha256, link] for path, (link, sha256, _size) in made.items()}, stream, sort_keys=True)


def files_of_scripts(prefix: str) -> list[InstalledFile]:
    """Return what ``note_files_of_scripts`` noted.

    Raises
    ------
    ValueError
        The file is damaged.
    """
    try:
        with open(os.path.join(prefix, SCRIPTED), encoding="utf-8") as stream:
            return [InstalledFile(path, sha256, link=link) for path, (sha256, link) in json.load(stream).items()]
    except FileNotFoundError:
        return []
    except (AttributeError, TypeError) as error:
        raise ValueError(str(error)) from error


def expected(prefix: str) -> Expectation:
    """Gather what conda's records, pip's RECORD files and Evenkeel's manifest of bytecode say."""
    if not os.path.isdir(os.path.join(prefix, META)):
        raise EvenkeelError(
            "%s is not an environment: it has no %s" % (prefix, META), "Name the directory of a conda environment"
        )
    known, broken = [], []
    for name, record in records(prefix):
        if record is None:
            broken.append("%s/%s" % (META, name))
        else:
            known.append(record)
    site = next((site_packages(record) for record in known if record["name"] == "python"), "site-packages")
    files: dict[str, list[InstalledFile]] = {}
    for record in known:
        for file in of_conda(record, site):
            files.setdefault(file.path, []).append(file)
    try:
        files.update((path, [InstalledFile(path, sha256, link=True)]) for path, sha256 in links_of(prefix).items())
    except ValueError:
        broken.append(LINKS)
    for distribution in pip_distributions(prefix, files):
        try:
            brought = of_pip(prefix, distribution)
        except ValueError:
            broken.append("%s/RECORD" % distribution)
            continue
        for file in brought:
            files.setdefault(file.path, []).append(file)
    try:
        files.update((path, [InstalledFile(path, sha256)]) for path, sha256 in read_manifest(prefix).items())
    except ValueError:
        broken.append(MANIFEST)
    try:
        files.update((file.path, [file]) for file in files_of_scripts(prefix))
    except ValueError:
        broken.append(SCRIPTED)
    try:
        noted = clobbered_files.noted(prefix)
        files.update((path, [InstalledFile(path, one.sha256, link=one.link)]) for path, one in noted.items())
    except ValueError:
        broken.append(clobbered_files.NOTE)
    files.update((file.path, [file]) for file in activation.files(prefix))
    return Expectation(files, tuple(broken))


def _compare(prefix: str, paths: Iterable[str], files: Mapping[str, Sequence[InstalledFile]]) -> Report:
    """Compare some of the expected files with what is there."""
    edited, missing, hashed_bytes = [], [], 0
    for path in paths:
        claims = files[path]
        try:
            link, sha256, size = _hash(os.path.join(prefix, path), any(claim.sha256 for claim in claims))
        except FileNotFoundError:
            # conda lists bytecode also where the source did not compile.
            if not all(claim.compiled for claim in claims):
                missing.append(path)
            continue
        hashed_bytes += size
        if not any(claim.link == link and claim.sha256 in ("", sha256) for claim in claims):
            edited.append(path)
    return Report(tuple(edited), tuple(missing), (), hashed_bytes)


def _hash(path: str, content: bool) -> tuple[bool | None, str, int]:
    """Return whether ``path`` is a symbolic link, the hash of its target or ``content``, and the bytes hashed.

    What is neither a link nor a file is None.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None, "", 0
            found = sha256_of_chunks(_chunks(descriptor) if content else ())
            size = os.lseek(descriptor, 0, os.SEEK_CUR)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return True, hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest(), 0
        if error.errno == errno.ENXIO:
            return None, "", 0
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise FileNotFoundError(path) from error
        raise EvenkeelError(
            "%s can't be read: %s" % (path, error.strerror), "Check the disk and the file's permissions, and run again"
        ) from error
    return False, found, size


def _chunks(descriptor: int) -> Iterator[bytes]:
    """Yield a file's content; a part that is not full is the last one, which spares most files a second read."""
    part = os.read(descriptor, _CHUNK_BYTES)
    yield part
    while len(part) == _CHUNK_BYTES:
        part = os.read(descriptor, _CHUNK_BYTES)
        yield part


def _of_users(expectation: Expectation, prefix: str) -> tuple[str, ...]:
    """Return the files below ``prefix`` that no record lists, except what Python and installers keep there."""
    unknown = (path for path in _walk(prefix) if path not in expectation.files)
    return tuple(sorted(path for path in unknown if not (path.endswith(".pyc") and "__pycache__/" in path)))


def _walk(prefix: str) -> Iterator[str]:
    """Yield all that is not a directory, relative to ``prefix``; links are not followed."""
    directories = [""]
    while directories:
        directory = directories.pop()
        with os.scandir(os.path.join(prefix, directory)) as entries:
            for entry in entries:
                path = directory + entry.name
                if path in _BOOKKEEPING:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    directories.append(path + "/")
                else:
                    yield path
