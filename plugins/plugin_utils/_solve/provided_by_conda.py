# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which of Python's distributions conda's packages bring: ``pytorch`` brings ``torch``."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from email import message_from_string
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import old_archives
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import ALL_SECONDS, SHARE, client

with optional():
    from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from rattler.package_streaming import PackageArchive

#: How many packages are asked for their list of files at once.
AT_ONCE = 16
Answer = TypeVar("Answer")

_METADATA = re.compile(r"(^|/)site-packages/(?P<name>[^/]+?)-(?P<version>\d[^/-]*)(-py[^/]+)?\.(dist|egg)-info(/|$)")


def cache_directory() -> Path:
    """Return where the answers are kept, by the hash of the package, so that each is asked once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evenkeel" / "distributions"


def distributions(packages: Iterable[Package], mirrors: Mirrors) -> dict[str, str]:
    """Return name (as Python normalises it) and version of every distribution in conda's ``packages``.

    Reads the list of files of each package that depends on Python; of a remote archive only that part is fetched: of a
    ``.tar.bz2`` the beginning, where conda-build puts it.

    Raises
    ------
    EvenkeelError
        A package cannot be read.
    """
    known = by_package(with_python(packages), mirrors)
    return {name: version for names in known.values() for name, version in names.items()}


def with_python(packages: Iterable[Package]) -> list[Package]:
    """Return those of conda's packages that depend on Python: others bring no distribution."""
    return [package for package in packages if any(needs.split()[0] == "python" for needs in package.depends)]


def by_package(packages: Iterable[Package], mirrors: Mirrors) -> dict[Package, dict[str, str]]:
    """Return the distributions of each of conda's packages, as ``distributions`` does."""
    asked = list(packages)
    known = kept(asked)
    missing = [package for package in asked if package not in known]
    if missing:
        import asyncio

        cache = cache_directory()
        cache.mkdir(parents=True, exist_ok=True)
        for package, paths in asyncio.run(_files_of_all(missing, mirrors)):
            known[package] = names_by(paths)
            write_atomically(str(cache / f"{package.sha256}.json"), json.dumps(known[package]))
    return {package: known[package] for package in asked}


def kept(packages: Iterable[Package]) -> dict[Package, dict[str, str]]:
    """Return the distributions of those of conda's packages that have been asked before; asks nothing."""
    cache = cache_directory()
    return {package: names for package in packages if (names := _kept(cache / f"{package.sha256}.json")) is not None}


def files(packages: Sequence[Package], mirrors: Mirrors) -> list[str]:
    """Return the paths of all files of conda's ``packages``; of remote archives only their lists are fetched.

    Raises
    ------
    EvenkeelError
        A package cannot be read.
    """
    import asyncio

    return [path for _package, paths in asyncio.run(_files_of_all(packages, mirrors)) for path in paths]


def extras(name: str, packages: Iterable[Package], mirrors: Mirrors) -> tuple[str, ...]:
    """Return what the extras of a distribution in conda's ``packages`` need, as lines of its metadata.

    Reads the one file that says it; of a remote package the archive comes only as far as that file.

    Raises
    ------
    EvenkeelError
        The package cannot be read.
    """
    package = next(one for one in packages if name in (_kept(cache_directory() / f"{one.sha256}.json") or ()))
    cache = cache_directory() / f"{package.sha256}-extras.json"
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
        return tuple(map(str, json.loads(cache.read_text())[name]))
    import asyncio

    found: dict[str, list[str]] = {
        canonicalize_name(match["name"]): extras_by(text)
        for path, text in asyncio.run(_bounded([package], _metadata(mirrors.mirrored(package.url)))).items()
        if (match := _METADATA.search(path))
    }
    write_atomically(str(cache), json.dumps(found))
    return tuple(found.get(name, ()))


def extras_by(metadata: str) -> list[str]:
    """Return the lines of a distribution's metadata that are about its extras; pure."""
    message = message_from_string(metadata)
    needs = [text for text in message.get_all("Requires-Dist", []) if re.search(r";.*\bextra\b", text)]
    return [
        *(f"Provides-Extra: {extra}" for extra in message.get_all("Provides-Extra", [])),
        *(f"Requires-Dist: {text}" for text in needs),
    ]


def _kept(path: Path) -> dict[str, str] | None:
    """Return an answer from the cache; None when there is none, or a damaged one."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        names = json.loads(path.read_text())
        return {str(name): str(version) for name, version in names.items()} if isinstance(names, dict) else None
    return None


def names_by(paths: Iterable[str]) -> dict[str, str]:
    """Return name and version of the distributions whose metadata are among ``paths`` of a package."""
    matches = (match for path in paths if (match := _METADATA.search(path)))
    return {canonicalize_name(match["name"]): match["version"] for match in matches}


async def _files_of_all(packages: Sequence[Package], mirrors: Mirrors) -> list[tuple[Package, list[str]]]:
    """Return the paths of each package. After a failure, what is begun ends, as py-rattler can't be stopped midway."""
    import asyncio

    at_once = asyncio.Semaphore(AT_ONCE)
    failed: list[EvenkeelError] = []

    async def files(package: Package) -> tuple[Package, list[str]]:
        async with at_once:
            try:
                return package, [] if failed else await _files(mirrors.mirrored(package.url))
            except EvenkeelError as error:
                failed.append(error)
                return package, []

    found = await _bounded(packages, asyncio.gather(*map(files, packages)))
    if failed:
        raise failed[0]
    return found


async def _bounded(packages: Sequence[Package], answer: Awaitable[Answer]) -> Answer:
    """Return what is read of ``packages``, in bounded time."""
    import asyncio

    seconds = patience.in_all(ALL_SECONDS, SHARE)
    try:
        return await asyncio.wait_for(answer, seconds)
    except TimeoutError:
        raise EvenkeelError(
            f"The lists of files of {', '.join(package.name for package in packages)} could not be read in "
            f"{seconds:.0f} seconds",
            "Check that the control node reaches the channels, or choose a nearer mirror",
        ) from None


async def _files(url: str) -> list[str]:
    if old_archives.is_old_and_remote(url):
        return await old_archives.listed(url)
    async with _opened(url) as archive:
        return [str(entry.relative_path) for entry in (await archive.paths_json()).paths]


async def _metadata(url: str) -> dict[str, str]:
    """Return the metadata of the distributions in a package, by path."""
    async with _opened(url) as archive:
        paths = [str(entry.relative_path) for entry in (await archive.paths_json()).paths]
        wanted = [path for path in paths if path.endswith(".dist-info/METADATA") and _METADATA.search(path)]
        found = await archive.read_files(wanted)
        return {path: content.decode("utf-8", errors="replace") for path, content in found.items() if content}


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[PackageArchive]:
    from rattler.package_streaming import PackageArchive

    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            yield await PackageArchive.from_path(unquote(parts.path))
        else:
            yield await PackageArchive.from_url(client(), url)
    except (OSError, ValueError) as error:
        raise EvenkeelError(
            f"The list of files in {url} could not be read: {error}",
            "Check that the channel still has the package and that the control node reaches it",
        ) from error
