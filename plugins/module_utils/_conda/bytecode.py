# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Bytecode for an environment that its users can't write to: compiled once for each package, then hardlinked."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_cache import BytecodeCache, DamagedCache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_delivery import NOTHING, Delivery
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import (
    Index,
    Plan,
    Python,
    Source,
    Sources,
    bytecode_of,
    fits,
    plan,
    python_of,
    sources_of,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_workers import Task, compile_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import (
    META,
    InstalledFile,
    of_conda,
    of_pip,
    pip_distributions,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import Job
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, path_of, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import disk_full

#: In an environment: the bytecode that Evenkeel put there, path to SHA-256.
MANIFEST = os.path.join(META, "evenkeel-bytecode")


def link_ahead(job: Job) -> frozenset[str]:
    """Link the bytecode of an environment whose packages are being linked, and return the paths that are there now.

    This is done only where the cache has all of it: nothing is won where something has to be fetched or compiled. That
    of pip's packages is left out, since uv comes after conda's packages and must find its places free.
    """
    python = python_of(job.packages)
    if python is None:
        return frozenset()
    cache = BytecodeCache(job.pkgs, python)
    cached: dict[Package, Index] = {}
    for package in job.packages:
        index = cache.read(package)
        if index is None:
            return frozenset()
        cached[package] = index
    linked: set[str] = set()
    with contextlib.suppress(FileNotFoundError):  # the installer has begun anew, and removed what was there
        for package, bytecode in plan(cached, {}, python).link.items():
            if package.manager == PIP:
                continue
            for directory in {os.path.dirname(path) for path in bytecode}:
                os.makedirs(os.path.join(job.prefix, directory), mode=0o755, exist_ok=True)
            cache.link(package, job.prefix, bytecode)
            linked.update(bytecode)
    return frozenset(linked)


@dataclass(frozen=True)
class Done:
    """What was done for the bytecode of an environment."""

    #: All of it, path to SHA-256.
    manifest: Mapping[str, str] = field(default_factory=dict)
    #: How many files were compiled here.
    compiled: int = 0
    #: How many packages have theirs from elsewhere, since this build.
    received: int = 0
    #: Of each package whose bytecode was to come from elsewhere and did not, why.
    problems: Mapping[Package, str] = field(default_factory=dict)


def compile_environment(
    job: Job, workers: int = 0, linked: frozenset[str] = frozenset(), delivery: Delivery = NOTHING
) -> Done:
    """Give a freshly linked environment its bytecode, and write the manifest of it.

    Parameters
    ----------
    job
        The build; the lock of the package caches is held.
    workers
        Processes that compile; 0 means one for each processor.
    linked
        Paths that ``link_ahead`` has linked.
    delivery
        What came from elsewhere.

    Raises
    ------
    EvenkeelError
        A worker crashed, a source is not what its package brought, or a disk is full.
    """
    python = python_of(job.packages)
    if python is None or not os.access(os.path.join(job.prefix, "bin", "python"), os.X_OK):
        return Done()
    mask = os.umask(0o022)
    try:
        cache = BytecodeCache(job.pkgs, python)
        cache.clean(kept=delivery.staged)
        planned, problems = _read_and_plan(job, python, cache, delivery)
        manifest, compiled = _apply(planned, job, python, cache, workers or len(os.sched_getaffinity(0)), linked)
        with open(os.path.join(job.prefix, MANIFEST), "w", encoding="utf-8") as stream:
            json.dump(manifest, stream, indent=0, sort_keys=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(job.pkgs) from error
        path = path_of(error) or job.prefix
        raise EvenkeelError(
            "The bytecode of the environment %s can't be written: %s: %s" % (job.name, path, error.strerror),
            "%s, then run again" % way_out(error, path),
        ) from error
    finally:
        os.umask(mask)
    refused = delivery.staged.keys() & problems.keys()
    return Done(manifest, compiled, len(delivery.staged) - len(refused), problems)


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


def _read_and_plan(
    job: Job, python: Python, cache: BytecodeCache, delivery: Delivery
) -> tuple[Plan, dict[Package, str]]:
    """Read what the cache has, and what the other packages brought, and decide; return what came in vain, too."""
    cached: dict[Package, Index] = {}
    for package in job.packages:
        index = cache.read(package)
        if index is not None:
            cached[package] = index
    missing = [package for package in job.packages if package not in cached]
    fresh = {package: sources_of(files, python) for package, files in files_of_packages(job.prefix, missing, python)}
    problems = dict(delivery.problems)
    runs = _magic(job.prefix) if delivery.staged and job.offer else ""
    for package, bytecode in delivery.staged.items():
        sources = fresh.get(package, Sources())
        if job.offer is None or job.offer.magic != runs:
            problems[package] = "it is for another release of Python"
        elif not fits(bytecode, sources, python):
            problems[package] = "it does not hold the bytecode of the package's files, or that of others"
        else:
            compiled = {path: sha256 for path, sha256 in bytecode.items() if sha256}
            cached[package] = Index(compiled, tuple(source.path for source in sources.rewritten))
            cache.store(package, cached[package])
            fresh.pop(package, None)
            continue
        cache.abandon(package)
    return plan(cached, fresh, python), problems


def _magic(prefix: str) -> str:
    """Return what bytecode of an environment's Python begins with, in hexadecimal digits."""
    program = "import importlib.util, sys; sys.stdout.write(importlib.util.MAGIC_NUMBER.hex())"
    argv = [os.path.join(prefix, "bin", "python"), "-I", "-S", "-B", "-c", program]
    return subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def _apply(
    planned: Plan, job: Job, python: Python, cache: BytecodeCache, workers: int, linked: frozenset[str]
) -> tuple[dict[str, str], int]:
    """Link and compile at the same time, and store what was compiled; return the manifest and how much that was."""
    stages = {package: cache.begin(package) for package in planned.store}
    groups = [list(_tasks(job.prefix, planned.alone, job.prefix, python))]
    groups += [
        list(_tasks(job.prefix, planned.store[package].shared, stage, python)) for package, stage in stages.items()
    ]
    manifest: dict[str, str] = {}
    with ThreadPoolExecutor(1) as pool:
        compiling = pool.submit(compile_files, job, groups, workers)
        for package, bytecode in planned.link.items():
            # An installer that had to begin anew has removed what was linked ahead.
            missing = [path for path in bytecode if path not in linked or not os.path.lexists(job.prefix + "/" + path)]
            cache.link(package, job.prefix, missing)
            manifest.update(bytecode)
        hashes = compiling.result()
    for package, stage in stages.items():
        sources = planned.store[package]
        stored = _compiled(job, package, sources.shared, stage, python, hashes)
        cache.store(package, Index(stored, tuple(source.path for source in sources.rewritten)))
        cache.link(package, job.prefix, stored)
        manifest.update(stored)
    for source in planned.alone:
        path = bytecode_of(source.path, python.tag)
        sha256 = hashes[os.path.join(job.prefix, path)]
        if sha256:
            manifest[path] = sha256
    return manifest, len(hashes)


def _compiled(
    job: Job,
    package: Package,
    sources: Iterable[Source],
    stage: str,
    python: Python,
    hashes: Mapping[str, str | None],
) -> dict[str, str]:
    """Return the bytecode that was compiled of a package, path to SHA-256.

    Raises
    ------
    DamagedCache
        A source is not what the package brought.
    """
    stored = {}
    for source in sources:
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
    return stored


def files_of_packages(
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
