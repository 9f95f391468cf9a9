# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Which files of a node belong to a package."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command


def owned(paths: Sequence[str], manager: str) -> set[str]:
    """Return those of the paths that an installed package owns.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``.
    """
    ask = ["dpkg-query", "--search"] if manager == "apt" else ["rpm", "--query", "--file"]
    return {path for path in paths if any(command.run([*ask, one]).status == 0 for one in _spellings(path))}


def _spellings(path: str) -> list[str]:
    """Return the names of a file: packages name it with or without ``/usr`` where ``/lib`` is a link."""
    if path.startswith("/lib"):
        return [path, "/usr" + path]
    return [path, path[len("/usr") :]] if path.startswith("/usr/lib") else [path]
