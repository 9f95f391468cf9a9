# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the lab's conda channel: Python from Debian, the stand-in for conda, samples, and the rest from wheels."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal

from rattler import Channel, Gateway, GenericVirtualPackage, PackageName, Version, solve
from rattler.exceptions import SolverError
from rattler.index import index_fs
from rattler.package import BuildString, IndexJson
from rich.progress import Progress

from lab import cache, locks, paths
from lab.errors import LabError
from lab.upstream import recorded_channels
from lab.upstream.conda import conda_package, conda_spec, debian_python, sample_packages, wheel_package
from lab.upstream.conda.debian_python import PYTHONS, DebianPython
from lab.upstream.conda.standin import package as standin
from lab.upstream.conda.wheel_package import Recipe
from lab.upstream.pypi import wheels
from lab.upstream.pypi.wheels import Wheel

REQUIREMENTS = (
    "cffi",
    "ipykernel",
    "jupyter-resource-usage",
    "jupyter-server",
    "jupyterlab",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "pip",
    "py-rattler",
    "pyyaml",
    "requests",
    "scikit-learn",
    "scipy",
)
# Something to update from; they depend on nothing, which would be made a second time.
OLDER = ("idna==3.10", "packaging==24.2", "six==1.16.0")
SUBDIRS: tuple[Literal["linux-64", "noarch"], ...] = ("linux-64", "noarch")
PACKAGES = paths.BUILD / "packages"

# What is asked of the channel first: the build is not done before the solver can give it.
PROOF = ("conda", "ipykernel", "jupyterlab", "matplotlib", "numpy", "pandas", "pip", "scikit-learn")

_PYTHON_SOURCES = (conda_package, debian_python)
_SAMPLE_SOURCES = (conda_package, sample_packages)
_WHEEL_SOURCES = (conda_package, wheel_package)


def build(progress: Progress) -> Path:
    """Build the channel where the sources it is made by have changed, and return its folder."""
    ours = [
        Path(__file__),
        *_sources(conda_spec, recorded_channels, wheels, *_PYTHON_SOURCES, *_SAMPLE_SOURCES, *_WHEEL_SOURCES),
    ]
    seen = {name: recorded_channels.shape(name) for name in ("main", "r")}
    content_key = cache.key(*ours, *standin.sources(), seen)
    with locks.held("channel"):
        if cache.published(paths.CHANNEL) != content_key:
            packages = _packages(progress)
            stage = cache.staging(paths.CHANNEL)
            _fill(stage, packages)
            index(stage, seen["main"])
            for python in PYTHONS:
                prove(stage, python)
            cache.publish(stage, paths.CHANNEL, content_key)
            _forget_all_but(packages)
        if cache.published(paths.R_CHANNEL) != (r_key := cache.key(seen["r"])):
            stage = cache.staging(paths.R_CHANNEL)
            index(stage, seen["r"])
            cache.publish(stage, paths.R_CHANNEL, r_key)
    return paths.CHANNEL


def index(channel_dir: Path, seen: recorded_channels.Shape = MappingProxyType({})) -> None:
    """Write the channel's repodata: plain, compressed and in shards, or in the forms that were seen of the real one."""
    for subdir in SUBDIRS:
        (channel_dir / subdir).mkdir(parents=True, exist_ok=True)
    asyncio.run(index_fs(channel_dir, write_zst=True, write_shards=True, force=True))
    shutil.rmtree(channel_dir / ".tmp", ignore_errors=True)
    for subdir in SUBDIRS:
        recorded_channels.take_forms(channel_dir / subdir, seen)


def prove(channel_dir: Path, python: DebianPython) -> None:
    """Solve for a data scientist's environment, with conda in it, on a node of the Python's own release.

    Raises
    ------
    LabError
        The channel lacks something; the solver says what.
    """
    glibc = GenericVirtualPackage(PackageName("__glibc"), Version("{}.{}".format(*python.glibc)), BuildString("0"))
    solving = solve(
        [Channel(channel_dir.as_uri())],
        [f"python={python.version}", *PROOF],
        gateway=Gateway(cache_dir=paths.BUILD / "repodata"),
        platforms=list(SUBDIRS),
        virtual_packages=[glibc],
    )
    try:
        asyncio.run(solving)
    except SolverError as error:
        raise LabError(
            f"the channel has no complete environment for Python {python.version}:\n{error}",
            f"correct the translation of wheels in {wheel_package.__file__}",
        ) from error


def recipes(resolved: Mapping[DebianPython, Mapping[str, Wheel]]) -> list[Recipe]:
    """Return what to make of the resolved wheels: a wheel for all platforms becomes one package for all Pythons."""
    found: dict[tuple[Wheel, DebianPython | None], set[str]] = {}
    for python, wheels_of_python in resolved.items():
        environment = wheels.marker_environment(python)
        for wheel in wheels_of_python.values():
            made_for = None if wheel_package.is_pure(wheel) else python
            depends = found.setdefault((wheel, made_for), wheel_package.python_dependencies(wheel, made_for))
            depends |= wheel_package.requirements(wheel.requires, wheels_of_python, environment)
    return [Recipe(wheel, python, tuple(sorted(depends))) for (wheel, python), depends in found.items()]


def made(make: Callable[[Path], Path], *parts: object) -> Path:
    """Return the package that ``make`` writes, from the cache if it was made from the same ``parts`` before."""
    folder = PACKAGES / cache.key(*parts)
    if package := next(folder.glob("*.conda"), None):
        return package
    shutil.rmtree(folder, ignore_errors=True)
    return make(folder)


def _packages(progress: Progress) -> list[Path]:
    """Return every package of the channel, made now where it is not in the cache."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            interpreters = [
                pool.submit(made, partial(debian_python.build, python), python, *_sources(*_PYTHON_SOURCES))
                for python in PYTHONS
            ]
            resolving = [
                {python: pool.submit(wheels.resolve, roots, python) for python in PYTHONS}
                for roots in (REQUIREMENTS, OLDER)
            ]
            waiting = chain.from_iterable(futures.values() for futures in resolving)
            _watch(progress, "Python from Debian, and wheels to fit", [*interpreters, *waiting])
            resolved = [{python: future.result() for python, future in futures.items()} for futures in resolving]
            for python in PYTHONS:
                found = [wheel for of_roots in resolved for wheel in of_roots[python].values()]
                bar = progress.add_task(f"Wheels for Python {python.version}", total=len(found))
                wheels.download(found, python, partial(progress.advance, bar))
            making = [
                pool.submit(made, partial(wheel_package.build, recipe), recipe, *_sources(*_WHEEL_SOURCES))
                for recipe in chain.from_iterable(map(recipes, resolved))
            ]
            _watch(progress, "Wheels into conda packages", making)
            conda = made(standin.build, *standin.sources(), *_sources(conda_package))
            samples = [
                made(partial(sample_packages.build, sample), sample, *_sources(*_SAMPLE_SOURCES))
                for sample in sample_packages.SAMPLES
            ]
            return [conda, *samples, *(future.result() for future in (*interpreters, *making))]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _watch(progress: Progress, text: str, futures: Sequence[Future[Any]]) -> None:
    """Show how many futures are done, and stop at the first that failed."""
    bar = progress.add_task(text, total=len(futures))
    for future in as_completed(futures):
        future.result()
        progress.advance(bar)


def _fill(channel_dir: Path, packages: Iterable[Path]) -> None:
    for package in packages:
        subdir = channel_dir / str(IndexJson.from_package_archive(package).subdir)
        subdir.mkdir(exist_ok=True)
        (subdir / package.name).hardlink_to(package)


def _forget_all_but(packages: Iterable[Path]) -> None:
    kept = {package.parent for package in packages}
    for folder in PACKAGES.iterdir():
        if folder not in kept:
            shutil.rmtree(folder)


def _sources(*modules: ModuleType) -> list[Path]:
    """Return the source files of the lab's ``modules``: a changed recipe makes a different package."""
    return [Path(str(module.__file__)) for module in modules]
