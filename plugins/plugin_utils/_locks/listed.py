# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which files the environments of a node's list are from."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.sources import located


def files_of(environments: Iterable[Mapping[str, Any]], directory: str) -> frozenset[str]:
    """Return the real paths of the files, environments and locks, of the environments in a list as of the role.

    Parameters
    ----------
    directory
        Of files that are not absolute paths.
    """
    return frozenset(os.path.realpath(file) for entry in environments for file in _files(entry, directory))


def is_among(file: Path, files: frozenset[str]) -> bool:
    """Return whether an environment file or its lock is among real paths."""
    return not files.isdisjoint(map(os.path.realpath, (file, lock_beside(file))))


def _files(entry: Mapping[str, Any], directory: str) -> list[str]:
    try:
        found = located(entry, directory) if entry.get("state") != "absent" else {}
    except (EvenkeelError, AttributeError, KeyError):  # the role reports what is wrong with an entry
        return []
    return [found[key] for key in ("environment", "lock") if found.get(key)]
