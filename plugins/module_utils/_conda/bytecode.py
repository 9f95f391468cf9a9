# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Bytecode for an environment that its users can't write to: compiled once for each package, then hardlinked.

The cache has a directory for each Python and package, ``TAG/SHA256``: the bytecode in the layout of a prefix, and an
index. The bytecode depends neither on the sources' times nor on the prefix (PEP 552, unchecked hash).
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import NamedTuple

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import bytecode_compiler
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import (
    META,
    InstalledFile,
    of_conda,
    of_pip,
    pip_distributions,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import disk_full

#: In an environment: the bytecode that Evenkeel put there, path to SHA-256.
MANIFEST = os.path.join(META, "evenkeel-bytecode")
_INDEX = "index.json"
_PARTIAL = ".partial"
#: A worker's share at a time: small, so that all end together, and an orphan soon.
_BATCH_BYTES = 1 << 19
#: What a file costs whatever its size, in bytes of source.
_FILE_BYTES = 1 << 11


class Python(NamedTuple):
    """The Python of an environment, as far as bytecode depends on it."""

    #: As in the names of bytecode files: ``cpython-311``.
    tag: str
    #: Relative to the prefix; whatever can be imported is below.
    library: str


class Source(NamedTuple):
    """One file to compile."""

    #: Relative to the prefix.
    path: str
    #: That the content must have; empty when unknown.
    sha256: str
    #: In bytes.
    size: int


@dataclass(frozen=True)
class Sources:
    """What there is to compile of one package."""

    #: The same in every environment.
    shared: tuple[Source, ...] = ()
    #: Those that hold the prefix.
    rewritten: tuple[Source, ...] = ()
    #: Whether all files of the package are in their place; another package may have taken it.
    complete: bool = True


class DamagedCache(EvenkeelError):
    """A file that a package cache should hold is missing there, or is not what its package brought."""


@dataclass(frozen=True)
class Index:
    """What the cache has of one package; sources that do not compile are simply not there."""

    #: Path below a prefix to SHA-256.
    bytecode: Mapping[str, str]
    rewritten: tuple[str, ...] = ()


class Task(NamedTuple):
    """What a worker does: read ``source``, which tracebacks call ``name``, and write ``target``."""

    source: str
    name: str
    target: str
    sha256: str
    size: int


def link_ahead(job: Job) -> frozenset[str]:
    """Link the bytecode of an environment whose packages are being linked, and return the paths that are there now.

    Only where the cache has all of it; there is nothing to win where something has to be fetched or compiled. That of
    pip's packages is left out, since uv comes after conda's packages and finds its places free.
    """
    python = python_of(job.packages)
    if python is None:
        return frozenset()
    cache = os.path.join(job.pkgs, "bytecode", python.tag)
    claims: Counter[str] = Counter()
    ready: list[tuple[str, Index]] = []
    for package in job.packages:
        home = os.path.join(cache, package.sha256)
        index = _read(home) if package.sha256 else None
        if index is None:
            return frozenset()
        if package.manager != PIP:
            ready.append((home, index))
        claims.update((*index.bytecode, *(bytecode_of(path, python.tag) for path in index.rewritten)))
    linked: set[str] = set()
    with contextlib.suppress(FileNotFoundError):  # the installer has begun anew, and removed what was there
        for home, index in ready:
            uncontested = [path for path in index.bytecode if claims[path] == 1]
            for directory in {os.path.dirname(path) for path in uncontested}:
                os.makedirs(os.path.join(job.prefix, directory), mode=0o755, exist_ok=True)
            _link(home, job.prefix, uncontested)
            linked.update(uncontested)
    return frozenset(linked)


def compile_environment(job: Job, workers: int = 0, linked: frozenset[str] = frozenset()) -> dict[str, str]:
    """Give a freshly linked environment its bytecode, and write the manifest of it, which is returned.

    Parameters
    ----------
    job
        The build; the lock of the package caches is held.
    workers
        Processes that compile; 0 means one for each processor.
    linked
        Paths that ``link_ahead`` has linked.

    Raises
    ------
    EvenkeelError
        A worker crashed, a source is not what its package brought, or a disk is full.
    """
    python = python_of(job.packages)
    if python is None or not os.access(os.path.join(job.prefix, "bin", "python"), os.X_OK):
        return {}
    mask = os.umask(0o022)
    try:
        manifest = _compile(job, python, workers or len(os.sched_getaffinity(0)), linked)
        with open(os.path.join(job.prefix, MANIFEST), "w", encoding="utf-8") as stream:
            json.dump(manifest, stream, indent=0, sort_keys=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(job.pkgs) from error
        raise EvenkeelError(
            "The bytecode of the environment %s can't be written: %s" % (job.name, error), "Mend it and run again"
        ) from error
    finally:
        os.umask(mask)
    return manifest


def read_manifest(prefix: str) -> dict[str, str]:
    """Return the bytecode, relative to ``prefix``, that Evenkeel put there, and its SHA-256.

    Raises
    ------
    ValueError
        The manifest can't be understood.
    """
    try:
        with open(os.path.join(prefix, MANIFEST), encoding="utf-8") as stream:
            return dict(json.load(stream))
    except FileNotFoundError:
        return {}
    except TypeError as error:
        raise ValueError(str(error)) from error


def python_of(packages: Iterable[Package]) -> Python | None:
    """Return what an environment of these packages runs; None where bytecode can't be made that is never stale.

    That takes CPython 3.7; builds without the global interpreter lock have other paths and are left alone.
    """
    for package in packages:
        parts = re.match(r"3\.(\d+)", package.version)
        if package.name == "python" and package.manager != PIP and parts and int(parts[1]) >= 7:
            if "pypy" in package.build or re.search(r"_cp\d+t", package.build):
                return None
            return Python("cpython-3%s" % parts[1], "lib/python3.%s" % parts[1])
    return None


def bytecode_of(source: str, tag: str) -> str:
    """Return where Python looks for the bytecode of ``source``."""
    directory, _, name = source.rpartition("/")
    return "%s/__pycache__/%s.%s.pyc" % (directory, name[: -len(".py")], tag)


def source_of(bytecode: str) -> str:
    """Return whose bytecode it is."""
    directory, _, name = bytecode.rpartition("/__pycache__/")
    return "%s/%s.py" % (directory, name.rsplit(".", 2)[0])


def sources_of(files: Iterable[InstalledFile], python: Python) -> Sources:
    """Return what to compile of a package; pure."""
    files = list(files)
    brought = {file.path for file in files if not file.compiled}
    shared, rewritten, complete = [], [], True
    for file in files:
        if file.path.startswith("__clobbers__/"):
            complete = False
        if not file.path.startswith(python.library + "/") or not file.path.endswith(".py") or file.link:
            continue
        if bytecode_of(file.path, python.tag) in brought:
            continue
        if file.rewritten:
            rewritten.append(Source(file.path, "", file.size))
        else:
            shared.append(Source(file.path, file.sha256, file.size))
    return Sources(tuple(shared), tuple(rewritten), complete)


def batches(tasks: Iterable[Task]) -> list[list[Task]]:
    """Divide the work, the largest files first, so that workers that take one batch after another end together."""
    found: list[list[Task]] = []
    room = 0
    for task in sorted(tasks, key=lambda task: (-task.size, task.target)):
        if room <= 0:
            found.append([])
            room = _BATCH_BYTES
        found[-1].append(task)
        room -= task.size + _FILE_BYTES
    return found


def _compile(job: Job, python: Python, workers: int, linked: frozenset[str]) -> dict[str, str]:
    """Bring the cache up to date and link from it."""
    cache = os.path.join(job.pkgs, "bytecode", python.tag)
    os.makedirs(cache, exist_ok=True)
    for name in os.listdir(cache):
        if name.startswith(".") and name.endswith(_PARTIAL):
            shutil.rmtree(os.path.join(cache, name))

    ready: dict[Package, Index] = {}
    for package in job.packages:
        index = _read(os.path.join(cache, package.sha256)) if package.sha256 else None
        if index is not None:
            ready[package] = index
    fresh = {
        package: sources_of(files, python)
        for package, files in _files(job.prefix, [each for each in job.packages if each not in ready], python)
    }
    claims: Counter[str] = Counter()
    for index in ready.values():
        claims.update((*index.bytecode, *(bytecode_of(path, python.tag) for path in index.rewritten)))
    for sources in fresh.values():
        claims.update(bytecode_of(source.path, python.tag) for source in (*sources.shared, *sources.rewritten))

    # A path that two packages claim has the source of only one of them, so its bytecode is made from what is there.
    alone: dict[str, Source] = {}
    for index in ready.values():
        contested = [source_of(path) for path in index.bytecode if claims[path] > 1]
        alone.update((path, Source(path, "", 0)) for path in (*index.rewritten, *contested))
    tasks: list[Task] = []
    stages: dict[Package, str] = {}
    for package, sources in fresh.items():
        alone.update((source.path, source) for source in sources.rewritten)
        unique = all(claims[bytecode_of(source.path, python.tag)] == 1 for source in sources.shared)
        if package.sha256 and sources.complete and unique:
            stages[package] = os.path.join(cache, "." + package.sha256 + _PARTIAL)
            os.mkdir(stages[package])
            tasks += _tasks(job.prefix, sources.shared, stages[package], python)
        else:
            alone.update((source.path, source._replace(sha256="")) for source in sources.shared)
    tasks += _tasks(job.prefix, alone.values(), job.prefix, python)
    manifest: dict[str, str] = {}

    def link(package: Package, index: Index) -> None:
        uncontested = {path: sha256 for path, sha256 in index.bytecode.items() if claims[path] == 1}
        # An installer that had to begin anew has removed what was linked ahead.
        left = [path for path in uncontested if path not in linked or not os.path.lexists(job.prefix + "/" + path)]
        _link(os.path.join(cache, package.sha256), job.prefix, left)
        manifest.update(uncontested)

    with ThreadPoolExecutor(1) as pool:
        compiling = pool.submit(_run, job, tasks, workers)
        for package, index in ready.items():
            link(package, index)
        hashes = compiling.result()

    for package, stage in stages.items():
        stored = {}
        for source in fresh[package].shared:
            path = bytecode_of(source.path, python.tag)
            sha256 = hashes[os.path.join(stage, path)]
            if sha256 == "":
                raise DamagedCache(
                    "%s is not what the package %s brought" % (os.path.join(job.prefix, source.path), package.name),
                    "Its copy in the package cache was edited; remove %s and run again"
                    % os.path.join(job.pkgs, "*", "%s-%s-%s" % (package.name, package.version, package.build)),
                )
            if sha256:
                stored[path] = sha256
        index = Index(stored, tuple(source.path for source in fresh[package].rewritten))
        _store(stage, os.path.join(cache, package.sha256), index)
        link(package, index)

    for source in alone.values():
        path = bytecode_of(source.path, python.tag)
        sha256 = hashes[os.path.join(job.prefix, path)]
        if sha256:
            manifest[path] = sha256
    return manifest


def _read(home: str) -> Index | None:
    """Return what the cache has of a package; None when it has nothing whole."""
    try:
        with open(os.path.join(home, _INDEX), encoding="utf-8") as stream:
            content = json.load(stream)
        return Index(dict(content["bytecode"]), tuple(content["rewritten"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def _store(stage: str, home: str, index: Index) -> None:
    """Declare a package's bytecode whole, with one rename."""
    with open(os.path.join(stage, _INDEX), "w", encoding="utf-8") as stream:
        json.dump(asdict(index), stream)
    if os.path.lexists(home):
        shutil.rmtree(home)
    os.rename(stage, home)


def _link(home: str, prefix: str, paths: Iterable[str]) -> None:
    """Link a package's bytecode from the cache. What an installer compiled there makes way."""
    made = ""
    for path in paths:
        source, target = "%s/%s" % (home, path), "%s/%s" % (prefix, path)
        directory = target.rpartition("/")[0]
        if directory != made:
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory)
            made = directory
        try:
            try:
                _link_or_copy(source, target)
            except FileExistsError:
                os.unlink(target)
                _link_or_copy(source, target)
        except FileNotFoundError as error:
            if os.path.exists(source):
                raise
            shutil.rmtree(home)
            raise DamagedCache(
                "The bytecode in the package cache was damaged: %s was missing" % source,
                "What was left of it has been removed; run again",
            ) from error


def _link_or_copy(source: str, target: str) -> None:
    """Link where the file system can."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP):
            raise
        shutil.copyfile(source, target)


def _files(
    prefix: str, packages: Sequence[Package], python: Python
) -> Iterator[tuple[Package, Iterable[InstalledFile]]]:
    """Yield the packages with the files that they brought; a package without a record has none."""
    site = python.library + "/site-packages"
    pip: dict[str, str] = {}
    if any(package.manager == PIP for package in packages):
        for path in pip_distributions(prefix, ()):
            pip[_normalised(os.path.basename(path).partition("-")[0])] = path
    for package in packages:
        with contextlib.suppress(FileNotFoundError, ValueError):
            if package.manager == PIP:
                distribution = pip.get(_normalised(package.name))
                yield package, of_pip(prefix, distribution) if distribution else ()
            else:
                name = "%s-%s-%s.json" % (package.name, package.version, package.build)
                with open(os.path.join(prefix, META, name), encoding="utf-8") as stream:
                    record = json.load(stream)
                yield package, of_conda(record, site)


def _normalised(name: str) -> str:
    """Return the one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tasks(prefix: str, sources: Iterable[Source], below: str, python: Python) -> Iterator[Task]:
    """Yield what workers have to do to put the bytecode of ``sources`` below a directory."""
    for source in sources:
        target = os.path.join(below, bytecode_of(source.path, python.tag))
        yield Task(os.path.join(prefix, source.path), source.path, target, source.sha256, source.size)


def _run(job: Job, tasks: Sequence[Task], workers: int) -> dict[str, str | None]:
    """Do the tasks and return, for each target, its hash; None where the source does not compile, see the worker."""
    work = deque(batches(tasks))
    results: dict[str, str | None] = {}
    of_bytes = sum(task.size for task in tasks)
    done_bytes = 0
    lock = threading.Lock()
    compiler = inspect.getsource(bytecode_compiler)  # here, since threads that read a source at once may find none

    def drive() -> None:
        nonlocal done_bytes
        with _worker(job, compiler) as ask:
            while True:
                try:
                    batch = work.popleft()
                except IndexError:
                    return
                hashes = ask(batch)
                with lock:
                    results.update(zip((task.target for task in batch), hashes))
                    done_bytes += sum(task.size for task in batch)
                    job.progress.update("compile", len(results), len(tasks), done_bytes, of_bytes)

    count = min(workers, len(work))
    if count:
        with ThreadPoolExecutor(count) as pool:
            try:
                for future in as_completed([pool.submit(drive) for _ in range(count)]):
                    future.result()
            except BaseException:
                work.clear()
                raise
    return results


@contextlib.contextmanager
def _worker(job: Job, compiler: str) -> Iterator[Callable[[Sequence[Task]], list[str | None]]]:
    """Start the environment's own Python; yield what has it do a batch. It keeps the lock, and ends with its input."""
    program = os.path.join(job.prefix, "bin", "python")
    # The order in sets of constants, which older Pythons write as it is, depends on the seed.
    environment = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8"}
    with (
        tempfile.TemporaryFile("w+", errors="replace") as output,
        subprocess.Popen(
            [program, "-s", "-S", "-B", "-W", "ignore", "-c", compiler],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            encoding="utf-8",
            env=environment,
            cwd="/",
            pass_fds=[job.lock],
        ) as process,
    ):
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(batch: Sequence[Task]) -> list[str | None]:
            with contextlib.suppress(BrokenPipeError):
                stdin.write(json.dumps([task[:4] for task in batch]) + "\n")
                stdin.flush()
            line = stdout.readline()
            if not line.endswith("\n"):
                process.kill()
                output.seek(0)
                raise EvenkeelError(
                    "%s crashed while it compiled the bytecode of the environment %s" % (program, job.name),
                    "Nothing was changed; see stderr, and whether the node has enough memory",
                    rc=process.wait(),
                    stderr=output.read(),
                )
            answer = json.loads(line)
            if "error" in answer:
                raise OSError(answer["errno"], answer["error"])
            hashes: list[str | None] = answer["hashes"]
            return hashes

        try:
            yield ask
        except BaseException:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                stdin.close()
            raise
