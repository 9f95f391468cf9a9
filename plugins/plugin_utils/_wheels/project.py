# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How a project wants to be built, by its pyproject.toml (PEP 517, PEP 518)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: Of a project that does not say, as pip builds it.
_LEGACY = ("setuptools.build_meta:__legacy__", ("setuptools>=40.8.0",))


@dataclass(frozen=True)
class BuildSystem:
    """What builds a project."""

    #: A module, or a module and an object in it after a colon.
    backend: str
    #: What has to be installed to import it, as PEP 508 writes it.
    requires: tuple[str, ...]
    #: Directories of the project that it is imported from.
    backend_path: tuple[str, ...] = ()


def build_system(pyproject: str | None, what: str) -> BuildSystem:
    """Return what builds a project.

    Parameters
    ----------
    pyproject
        The text of its pyproject.toml; None without one.
    what
        The release, for the error.

    Raises
    ------
    EvenkeelError
        The file is malformed.
    """
    try:
        table = tomllib.loads(pyproject or "").get("build-system")
        if table is None:
            return BuildSystem(*_LEGACY)
        found = BuildSystem(
            str(table.get("build-backend", _LEGACY[0])),
            tuple(_texts(table["requires"])),
            tuple(_texts(table.get("backend-path", []))),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvenkeelError(
            f"The pyproject.toml of {what} is malformed: {error}", "Choose another release, or report it to its authors"
        ) from None
    return found


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"{value!r} is not a list of texts")
    return value
