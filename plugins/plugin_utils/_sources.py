# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What an environment is made from, whichever way it is told, as exact packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._package import Package

#: The options of which exactly one tells the source.
SOURCES = ("environment", "lock", "explicit", "packages")


@dataclass(frozen=True)
class Resolved:
    """The exact packages of one environment on one platform."""

    #: conda's first, each kind by name.
    packages: tuple[Package, ...]
    #: What activation sets, name to value.
    variables: dict[str, str] = field(default_factory=dict)
    #: As of ``request_of``.
    request: dict[str, Any] | None = None


def request_of(arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fingerprint of what has to be solved; None when a lock or an explicit file tells it exactly.

    An environment whose generation in use carries the same request needs no new solve. Reads files, asks no network.

    Parameters
    ----------
    arguments
        The task's options: ``environment``, ``lock`` or ``explicit`` (paths that exist as they are written here), or
        ``packages`` and ``channels``.

    Returns
    -------
    dict or None
        ``packages`` and ``pip`` (sorted lists of specifications) and ``channels`` (canonical URLs, by priority).

    Raises
    ------
    EvenkeelError
        Not exactly one source, or one that is malformed.
    """
    raise NotImplementedError


def load(
    arguments: Mapping[str, Any], platform: str, virtual_packages: Mapping[str, str], run_directory: Path
) -> Resolved:
    """Return what the source of ``arguments`` holds for one platform, solved where it is not locked.

    Equal questions are solved once in a run, whichever of Ansible's workers asks.

    Parameters
    ----------
    arguments
        As of ``request_of``; besides ``mirrors`` (URL prefix to URL prefix) and ``pip_index`` (URL).
    platform
        conda's name, such as ``linux-64``.
    virtual_packages
        Name to version, such as ``{"__glibc": "2.36"}``; counts only where something is solved.
    run_directory
        A directory that all workers of this run share and that goes with the run.

    Raises
    ------
    EvenkeelError
        The source is malformed, stale or for other platforms only, or cannot be solved.
    """
    raise NotImplementedError
