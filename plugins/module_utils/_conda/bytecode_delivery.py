# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Archives of bytecode brought to a node and unpacked beside its cache, while the packages themselves are installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.error import HTTPError

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_cache import BytecodeCache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Archive, Offer, contents
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import Python, python_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of

#: The file with the archives that the control node brings.
BUNDLE = "bytecode.zip"
#: How many packages a warning names.
_NAMED = 3


@dataclass(frozen=True)
class Delivery:
    """What came: of each package, its bytecode in the cache's stage, path to SHA-256.

    That is empty where the source does not compile.
    """

    staged: Mapping[Package, Mapping[str, str]] = field(default_factory=dict)
    #: Of each package whose bytecode did not come, why.
    problems: Mapping[Package, str] = field(default_factory=dict)


NOTHING = Delivery()


def wanted(pkgs: str, packages: Iterable[Package], offer: Offer | None) -> dict[Package, Archive]:
    """Return what the node lacks of an offer."""
    packages = list(packages)
    python = python_of(packages)
    if offer is None or python is None or python.tag != offer.tag:
        return {}
    cache = BytecodeCache(pkgs, python)
    offered = {package: offer.archives.get(package.sha256) for package in packages}
    return {package: archive for package, archive in offered.items() if archive and cache.read(package) is None}


def receive(job: Job) -> Delivery:
    """Fetch the bytecode that is offered and that the cache lacks, and verify it; what is wrong is left out."""
    python, offer = python_of(job.packages), job.offer
    lacking = wanted(job.pkgs, job.packages, offer)
    if python is None or offer is None or not lacking:
        return NOTHING
    cache = BytecodeCache(job.pkgs, python)
    cache.clean()
    with tempfile.TemporaryDirectory(prefix=".received-", dir=cache.home) as folder:
        source = _Source(job, offer.store, folder)
        with ThreadPoolExecutor(job.connections) as pool:
            fetched = {package: pool.submit(source.fetch, archive) for package, archive in lacking.items()}
            # Threads that unpack side by side take twice the processor time: they wait for the interpreter's lock.
            found = {
                package: _received(archive, package, cache, python, offer.magic) for package, archive in fetched.items()
            }
    staged = {package: files for package, files in found.items() if not isinstance(files, str)}
    return Delivery(staged, {package: why for package, why in found.items() if isinstance(why, str)})


def warning(name: str, problems: Mapping[Package, str]) -> str:
    """Return the text about bytecode that did not come."""
    shown = ["%s: %s" % (package.stem.rstrip("-"), why) for package, why in sorted(problems.items())[:_NAMED]]
    more = "; and %d more" % (len(problems) - _NAMED) if len(problems) > _NAMED else ""
    return (
        "The environment %s was to get bytecode that is compiled already, and this machine compiled that of %d "
        "packages itself: %s%s. Run compile.yml again, and bring its store to where nodes get it"
        % (name, len(problems), "; ".join(shown), more)
    )


class _Source:
    """Where archives are: a store, or what the control node has brought."""

    def __init__(self, job: Job, store: str, folder: str) -> None:
        self._store, self._bundle, self._folder, self._timeout = store, job.brought, folder, job.timeout
        #: Why the store does not answer.
        self._silent = ""

    def fetch(self, archive: Archive) -> str:
        """Bring an archive into the folder; return its path.

        Raises
        ------
        ValueError
            It is not to be had, or is another one.
        """
        target = os.path.join(self._folder, archive.file)
        if not self._store:
            self._unpack(archive, target)
        elif self._silent:
            raise ValueError(self._silent)
        else:
            self._download("%s/%s" % (self._store.rstrip("/"), archive.file), archive, target)
        found = sha256_of(target)
        if found != archive.sha256:
            raise ValueError("it has the SHA-256 %s, not %s" % (found, archive.sha256))
        return target

    def _download(self, url: str, archive: Archive, target: str) -> None:
        try:
            download(url, target, self._timeout, 0, most=archive.size, sha256=archive.sha256)
        except EvenkeelError as error:
            # An answer is about this archive alone.
            if error.__cause__ and not isinstance(error.__cause__, HTTPError):
                self._silent = error.what
            raise ValueError(error.what) from error

    def _unpack(self, archive: Archive, target: str) -> None:
        try:
            with zipfile.ZipFile(os.path.join(self._bundle, BUNDLE)) as bundle:
                entry = bundle.getinfo(archive.file)
                if entry.file_size != archive.size:
                    raise ValueError("it has %d bytes, not %d" % (entry.file_size, archive.size))
                with bundle.open(entry) as stream, open(target, "wb") as copy:
                    shutil.copyfileobj(stream, copy)
        except (FileNotFoundError, KeyError):
            raise ValueError("it was not brought") from None
        except zipfile.BadZipFile as error:
            raise ValueError("it did not come whole: %s" % error) from None


def _received(
    archive: Future[str], package: Package, cache: BytecodeCache, python: Python, magic: str
) -> dict[str, str] | str:
    """Unpack an archive into the cache's stage of a package; return paths and hashes, or what is wrong with it."""
    path = ""
    try:
        path = archive.result()
        stage = cache.begin(package)  # what stays of it after an error goes with the next clean
        made: set[str] = set()
        found = contents(path, python, magic)
        return {name: _written(os.path.join(stage, name), content, made) for name, content in found}
    except (ValueError, OSError) as error:
        return str(error)
    finally:
        if path:
            os.unlink(path)


def _written(path: str, content: bytes, made: set[str]) -> str:
    """Write a new file; return its SHA-256. Nothing is written where there is nothing.

    Parameters
    ----------
    path, content
        The file.
    made
        Directories that are there, to which that of the file is added.
    """
    if not content:
        return ""
    directory = os.path.dirname(path)
    if directory not in made:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        made.add(directory)
    with open(path, "xb") as stream:
        stream.write(content)
    return hashlib.sha256(content).hexdigest()
