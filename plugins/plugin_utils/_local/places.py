# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where a user has an environment: below the user's data folder, or at a prefix of the user's choice."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: How locks are named, as ``conda-lock.yml`` and ``gpu.conda-lock.yml``.
LOCK = re.compile(r"((?P<name>.+)\.)?conda-lock\.ya?ml")
#: Beside a prefix of the user's choice: its generations.
BESIDE = ".evenkeel"
#: What no path of an environment may have: PATH ends a folder at a colon, and the first line of a script is one line.
_UNUSABLE = re.compile(r"[:\x00-\x1f\x7f]")
#: What no path of a build may have besides: packages write it into their programs, within quotes.
_UNQUOTABLE = re.compile(r"""['"\\]""")


@dataclass(frozen=True)
class Place:
    """Where an environment is."""

    #: As a node's ``/opt/evenkeel``.
    root: str
    name: str
    #: Where the user finds it.
    prefix: str

    @property
    def link(self) -> str:
        """The link to the generation in use; the prefix leads to it, or is it."""
        return environment.link_of(self.root, self.name)


def of_lock(lock: Path) -> Place:
    """Return the place of a lock's environment where the user names none: that of the name of its folder or its own."""
    path = lock.absolute()
    found = LOCK.fullmatch(path.name)
    name = (found and found["name"]) or path.parent.name
    root = home()
    return _checked(Place(root, name, environment.link_of(root, name)), "The lock %s gives the name" % lock)


def at(prefix: str) -> Place:
    """Return the place of an environment at a path."""
    path = os.path.abspath(os.path.expanduser(prefix))
    folder, name = os.path.split(path)
    return _checked(Place(os.path.join(folder, BESIDE), name, path), "The prefix %s ends in" % prefix)


def home() -> str:
    """Return where the user's environments are, and the packages that they are linked from."""
    named = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(named):
        return os.path.join(named, "evenkeel")
    user = os.environ.get("HOME", os.path.expanduser("~"))
    if not os.path.isabs(user):
        raise EvenkeelError("HOME is %r, which is not an absolute path" % user, "Set HOME to the path of your folder")
    return os.path.join(user, ".local", "share", "evenkeel")


def require_usable(path: str, *, built: bool = False) -> None:
    """Refuse a path at which the commands of an environment would not be found, or not start.

    Parameters
    ----------
    built
        Whether an environment is to be built there.
    """
    for spelling in (path, os.path.realpath(path)):
        found = _UNUSABLE.search(spelling) or (built and _UNQUOTABLE.search(spelling))
        if found:
            raise EvenkeelError(
                "The path %r has the character %r, with which no environment works" % (spelling, found[0]),
                "Choose another folder with --prefix",
            )


def require_ours(place: Place) -> None:
    """Refuse a place that somebody else has; nothing of it is touched.

    Raises
    ------
    EvenkeelError
        Something that Evenkeel did not make is there, or the folder of the generations is another user's.
    """
    if os.path.lexists(place.root) and os.stat(place.root).st_uid != os.geteuid():
        raise EvenkeelError("%s belongs to another user" % place.root, "Choose another folder with --prefix")
    builds = environment.generations_of(place.root, place.name)
    expected = {place.link: builds, place.prefix: builds if place.prefix == place.link else os.path.dirname(place.link)}
    for path, folder in expected.items():
        if os.path.lexists(path) and not _leads_into(path, folder):
            kind = "a link" if os.path.islink(path) else "a folder" if os.path.isdir(path) else "a file"
            raise EvenkeelError(
                "%s is %s that Evenkeel did not make; it was left as it is" % (path, kind),
                "Choose another place with --prefix, or move it away",
            )


def _leads_into(path: str, folder: str) -> bool:
    if not os.path.islink(path):
        return False
    target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    return os.path.dirname(target) == folder


def _checked(place: Place, what: str) -> Place:
    try:
        environment.check(place.root, place.name)
    except EvenkeelError as error:
        raise EvenkeelError(
            "%s %r, which no environment can have" % (what, place.name),
            "Name another place with --prefix, ending in letters, digits, '_', '-' and '.'",
        ) from error
    for path in (place.prefix, place.root):
        require_usable(path, built=True)
    return place
