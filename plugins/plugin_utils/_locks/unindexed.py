# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""pip's packages of locks that name no index, such as those of conda-lock and pixi: only a URL says where they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package


def at_their_urls(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return ``packages`` with pip's pinned to their URLs."""
    return tuple(
        replace(package, index=package.url)
        if package.manager == PIP and package.sha256 and "://" in package.url
        else package
        for package in packages
    )


def by_name(packages: Iterable[Package], pip_index: str) -> tuple[Package, ...]:
    """Return ``packages``, of which the nodes' index has those that are only pinned to their URLs.

    Versions with a local part, such as ``2.4.0+cu121``, are on indexes of their own, so they stay at their URLs; and so
    do all where ``pip_index`` is empty.
    """
    return tuple(
        replace(package, index="")
        if pip_index and package.index and package.index == package.url and "+" not in package.version
        else package
        for package in packages
    )
