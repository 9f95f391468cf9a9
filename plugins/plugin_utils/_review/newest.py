# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which versions newer than those of a lock its channels and indexes have, whatever the environment asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import index_pages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.index_credentials import with_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import ask, isolated

with optional():
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        canonicalize_name,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from rattler import Gateway, RepoDataRecord

#: The name of a channel or an index, and the version that it has.
Newest = tuple[str, str]


def of_conda(
    packages: Sequence[Package], channels: Sequence[str], platform: str, mirrors: Mirrors
) -> dict[str, list[Newest]]:
    """Return the newer versions of conda's packages by name, at most one of each channel.

    Raises
    ------
    EvenkeelError
        A channel can't be read.
    """
    if not packages:
        return {}
    return isolated(partial(_of_conda, packages, channels, platform, mirrors), channels)


def _of_conda(
    packages: Sequence[Package], channels: Sequence[str], platform: str, mirrors: Mirrors
) -> dict[str, list[Newest]]:
    from rattler import Subdir
    from rattler import Version as CondaVersion

    asked = [mirrors.mirrored(channel) for channel in channels]
    names = sorted({package.name for package in packages})

    async def records(gateway: Gateway) -> list[RepoDataRecord]:
        found = await gateway.query(asked, [Subdir(platform), Subdir("noarch")], names, recursive=False)
        return [record for of_channel in found for record in of_channel]

    locked = {package.name: package.version for package in packages}
    newest: dict[str, dict[str, str]] = {name: {} for name in names}
    for record in ask(asked, records):
        url = mirrors.original(record.url)
        channel = next((one for one in channels if url.startswith(f"{one}/")), "")
        name, version = record.name.normalized, str(record.version)
        # 2024a, as some write a release, reads like a prerelease.
        if channel and (_is_prerelease(locked[name]) or not _is_prerelease(version)):
            newest[name][channel] = max(newest[name].get(channel, version), version, key=CondaVersion)
    return {
        package.name: newer
        for package in packages
        if (
            newer := [
                found
                for found in newest[package.name].items()
                if CondaVersion(found[1]) > CondaVersion(package.version)
            ]
        )
    }


def of_pip(packages: Iterable[Package], index: str, mirrors: Mirrors) -> dict[str, list[Newest]]:
    """Return the newer versions of pip's packages by name, of the index that each is from.

    Parameters
    ----------
    index
        That of the packages that are pinned to none.

    Raises
    ------
    EvenkeelError
        An index can't be read.
    """
    asked = {package.name: package for package in packages}
    places = {
        name: [with_credentials(f"{mirrors.mirrored(package.index or index).rstrip('/')}/{canonicalize_name(name)}/")]
        for name, package in asked.items()
    }
    found: dict[str, list[Newest]] = {}
    for name, page in index_pages.pages(places).items():
        versions = [version for file in page.files if not file.yanked and (version := _version_of(file.name))]
        newest = max((one for one in versions if not one.is_prerelease), default=None)
        if newest and newest > Version(Version(asked[name].version).public):
            found[name] = [(mirrors.original(page.index), str(newest))]
    return found


def _version_of(file: str) -> Version | None:
    try:
        return parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1]
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None


def _is_prerelease(text: str) -> bool:
    try:
        return bool(Version(text).is_prerelease)
    except InvalidVersion:
        return False
