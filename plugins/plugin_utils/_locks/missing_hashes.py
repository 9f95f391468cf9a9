# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The SHA-256 of packages that a lock names by MD5, which proves nothing any more, or by no hash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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

NEW, OLD = ".conda", ".tar.bz2"


class _Known(NamedTuple):
    """What an index has for a URL."""

    package: Package
    #: Of the archive at that URL.
    md5: str


def complete(path: Path, packages: Iterable[Package], platform: str, mirrors: Mirrors) -> tuple[Package, ...]:
    """Return the ``packages`` of the lock at ``path``, each of conda's with the SHA-256 that its channel's index has.

    An archive in the older format ``.tar.bz2``, which the index lists as ``.conda`` too, becomes that one. Asks no
    network when all have one.

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

    def known() -> dict[str, _Known]:
        index: dict[str, _Known] = {}
        for record in (record for records in ask(channels, question) for record in records):
            package = package_from(record, mirrors)
            index[package.url] = _Known(package, package.md5)
            if package.url.endswith(NEW):
                older = record.legacy_bz2_md5.hex() if record.legacy_bz2_md5 else ""
                index.setdefault(package.url.removesuffix(NEW) + OLD, _Known(package, older))
        return index

    index = isolated(known, channels)
    without = [package for package in missing if package.url not in index or not index[package.url].package.sha256]
    if without:
        named = ", ".join(f"{one.url} (named by its MD5)" if one.md5 else one.url for one in without)
        raise EvenkeelError(
            f"{path} has no SHA-256 of packages for which their channels list none either: {named}",
            f"In the environment that it was made of, run conda list --explicit --sha256 > {path.name}; or lock again",
        )
    changed = [
        f"{package.url} has the MD5 {package.md5}, and in its channel {of_channel.md5 or 'none'}"
        for package in missing
        for of_channel in [index[package.url]]
        if package.md5 and package.md5 != of_channel.md5
    ]
    if changed:
        raise EvenkeelError(f"{path}: {'; '.join(changed)}", "Find out who changed it; then lock again")
    return tuple(
        replace(index[package.url].package, depends=package.depends or index[package.url].package.depends)
        if package in missing
        else package
        for package in found
    )
