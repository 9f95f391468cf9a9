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
    spelled = {one: path for path in paths for one in _spellings(path)}
    named = _named_by_dpkg(list(spelled)) if manager == "apt" else filter(_has_owner_by_rpm, spelled)
    return {spelled[one] for one in named if one in spelled}


def _named_by_dpkg(paths: list[str]) -> list[str]:
    """Return the paths that dpkg names with packages. It reads the lists of all packages: once for all paths."""
    printed = command.run(["dpkg-query", "--search", *paths]).output if paths else ""
    lines = (line for line in printed.splitlines() if not line.startswith("diversion by "))
    return [line.partition(": ")[2] for line in lines]


def _has_owner_by_rpm(path: str) -> bool:
    return command.run(["rpm", "--query", "--file", path]).status == 0


def _spellings(path: str) -> list[str]:
    """Return the names of a file: packages name it with or without ``/usr`` where ``/lib`` is a link."""
    if path.startswith("/lib"):
        return [path, "/usr" + path]
    return [path, path[len("/usr") :]] if path.startswith("/usr/lib") else [path]
