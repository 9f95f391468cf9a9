# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The command conda outside of login shells: a link in a directory where most programs look for commands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import from_os, path_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import link_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

NAME = "conda"
_BY = "conda_distribution"
_END = os.path.join("", "bin", NAME)


@dataclass(frozen=True)
class Plan:
    """What becomes of links."""

    #: Where one is made, and what it leads to; empty where none is.
    link: str = ""
    target: str = ""
    remove: tuple[str, ...] = ()
    #: What somebody else has put where it would be.
    in_the_way: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.link or self.remove)

    @property
    def lines(self) -> tuple[str, ...]:
        """What changes, one line each."""
        return (*("- %s" % path for path in self.remove), *(["~ %s" % self.link] if self.link else []))


def recorded() -> tuple[str, ...]:
    """Return the paths of the links that were made, whatever is there now."""
    return tuple(thing.name for thing in made.read(_BY) if os.path.basename(thing.name) == NAME)


def read(paths: Iterable[str]) -> dict[str, str | None]:
    """Return for each path where the link there leads: empty where nothing is, None where something else is."""
    return {path: _target(path) for path in paths}


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return None


def plan(found: Mapping[str, str | None], ours: Iterable[str], path: str, target: str, *, wanted: bool) -> Plan:
    """Decide; pure.

    Parameters
    ----------
    found
        As of ``read``: of ``path``, where there is one, and of what is recorded.
    ours
        What is recorded.
    path, target
        The link, empty for none, and where it leads.
    """
    known = {one for one in ours if (found.get(one) or "").endswith(_END)}
    known.update(one for one in found if found[one] == target)
    link = path if wanted else ""
    remove = tuple(sorted(one for one in known if one != link))
    if not link or found[link] == target:
        return Plan(remove=remove)
    if found[link] == "" or link in known:
        return Plan(link, target, remove)
    return Plan(remove=remove, in_the_way=link)


def apply(plan: Plan) -> None:
    """Make and remove the links; a link is in the record before it is there."""
    made.note(_BY, [Thing("file", plan.link)] if plan.link else [], [Thing("file", path) for path in plan.remove])
    try:
        for path in plan.remove:
            os.unlink(path)
        if plan.link:
            link_atomically(plan.link, plan.target)
    except OSError as error:
        raise from_os(error, path_of(error) or plan.link) from error
