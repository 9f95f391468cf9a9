# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where Evenkeel keeps files of a site on the control node: beside the inventory, where Ansible reads no hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: Ansible passes over hidden names, whichever folder it is given as an inventory.
FOLDER = ".evenkeel"


def of_host(variables: Mapping[str, Any]) -> Path:
    """Return the directory of the site that a host belongs to, from the host's variables."""
    sources = variables.get("ansible_inventory_sources") or []
    return site_directory(variables.get("inventory_dir"), sources, Path.cwd())


def site_directory(inventory: str | None, sources: Iterable[str], working: Path) -> Path:
    """Return the directory of a host's site: beside the folder or the file that is its inventory.

    A folder is sometimes given as a whole and sometimes by one of its files: the place that is there is then kept.

    Parameters
    ----------
    inventory
        The folder that the host is declared in, ``inventory_dir``. A host that ``-i`` names itself has none.
    sources
        What ``-i`` named: paths, and lists of hosts.
    working
        The directory that the run was started in.
    """
    if not inventory:
        return working / FOLDER
    folder = Path(inventory)
    places = [folder / FOLDER, folder.parent / FOLDER / folder.name]
    if any(_holds(source, folder) for source in sources):
        places.reverse()
    return next((place for place in places if place.is_dir()), places[0])


def make(directory: Path, mode: int = 0o755) -> None:
    """Make a directory; git ignores all of a site's."""
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    for top in (directory, *directory.parents):
        if top.name == FOLDER and not (top / ".gitignore").exists():
            (top / ".gitignore").write_text("*\n")


def _holds(source: str, folder: Path) -> bool:
    path = Path(source).absolute()
    return path.is_dir() and folder.is_relative_to(path)
