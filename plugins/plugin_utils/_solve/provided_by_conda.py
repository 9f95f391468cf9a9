# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which of Python's distributions conda's packages bring: ``pytorch`` brings ``torch``."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import ALL_SECONDS, SHARE, client

with optional():
    from packaging.utils import canonicalize_name

#: How many packages are asked for their list of files at once.
AT_ONCE = 16
_METADATA = re.compile(r"(^|/)site-packages/(?P<name>[^/]+?)-(?P<version>\d[^/-]*)(-py[^/]+)?\.(dist|egg)-info(/|$)")


def cache_directory() -> Path:
    """Return where the answers are kept, by the hash of the package, so that each is asked once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evenkeel" / "distributions"


def distributions(packages: Iterable[Package], mirrors: Mirrors) -> dict[str, str]:
    """Return name (as Python normalises it) and version of every distribution in conda's ``packages``.

    Reads the list of files of each package that depends on Python; of a remote ``.conda`` only that part is fetched.

    Raises
    ------
    EvenkeelError
        A package cannot be read.
    """
    cache = cache_directory()
    asked = [package for package in packages if any(needs.split()[0] == "python" for needs in package.depends)]
    known = {package: names for package in asked if (names := _kept(cache / f"{package.sha256}.json")) is not None}
    missing = [package for package in asked if package not in known]
    if missing:
        import asyncio

        cache.mkdir(parents=True, exist_ok=True)
        for package, paths in asyncio.run(_files_of_all(missing, mirrors)):
            known[package] = names_by(paths)
            write_atomically(str(cache / f"{package.sha256}.json"), json.dumps(known[package]))
    return {name: version for package in asked for name, version in known[package].items()}


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
    import asyncio

    at_once = asyncio.Semaphore(AT_ONCE)

    async def files(package: Package) -> tuple[Package, list[str]]:
        async with at_once:
            return package, await _files(mirrors.mirrored(package.url))

    seconds = patience.in_all(ALL_SECONDS, SHARE)
    try:
        return await asyncio.wait_for(asyncio.gather(*map(files, packages)), seconds)
    except TimeoutError:
        raise EvenkeelError(
            f"The lists of files of {', '.join(package.name for package in packages)} could not be read in "
            f"{seconds:.0f} seconds",
            "Check that the control node reaches the channels, or choose a nearer mirror",
        ) from None


async def _files(url: str) -> list[str]:
    from rattler.package_streaming import PackageArchive

    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            archive = await PackageArchive.from_path(unquote(parts.path))
        else:
            archive = await PackageArchive.from_url(client(), url)
        return [str(entry.relative_path) for entry in (await archive.paths_json()).paths]
    except (OSError, ValueError) as error:
        raise EvenkeelError(
            f"The list of files in {url} could not be read: {error}",
            "Check that the channel still has the package and that the control node reaches it",
        ) from error
