# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The SHA-256 of packages that a lock names by MD5 alone, which proves nothing any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import (
    ask,
    isolated,
    package_from,
)

if TYPE_CHECKING:
    from rattler import Gateway, RepoDataRecord

_REMEDY = "Write the SHA-256 of each package into it: conda list --explicit --sha256, or lock again"


def complete(path: Path, packages: Iterable[Package], platform: str, mirrors: Mirrors) -> tuple[Package, ...]:
    """Return the ``packages`` of the lock at ``path``, each of conda's with the SHA-256 that its channel's index has.

    Asks no network when all have one.

    Raises
    ------
    EvenkeelError
        A channel cannot be read, has no such package, another MD5 for it or no SHA-256.
    """
    found = tuple(packages)
    missing = [package for package in found if package.manager == CONDA and not package.sha256]
    if not missing:
        return found
    from rattler import Subdir

    channels = sorted({mirrors.mirrored(package.url.rsplit("/", 2)[0]) for package in missing})
    names = sorted({package.name for package in missing})

    async def question(gateway: Gateway) -> list[list[RepoDataRecord]]:
        return list(await gateway.query(channels, [Subdir(platform), Subdir("noarch")], names, recursive=False))

    def known() -> dict[str, Package]:
        packages = (package_from(record, mirrors) for records in ask(channels, question) for record in records)
        return {package.url: package for package in packages}

    index = isolated(known, channels)
    return tuple(_hashed(path, package, index) if package in missing else package for package in found)


def _hashed(path: Path, package: Package, index: dict[str, Package]) -> Package:
    known = index.get(package.url)
    if known is None or not known.sha256:
        raise EvenkeelError(
            f"{path}: {package.url} is named by its MD5, and its channel lists no SHA-256 for it", _REMEDY
        )
    if known.md5 != package.md5:
        raise EvenkeelError(
            f"{path}: {package.url} has the MD5 {package.md5}, and in its channel {known.md5 or 'none'}",
            "Find out who changed it; then lock again",
        )
    return replace(known, depends=package.depends or known.depends)
