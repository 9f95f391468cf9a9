# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What users may change of an environment that is root's, and how they come to be unable to.

A build is looked through once, when it is made or by the first run of a version that does so. Afterwards each run looks
at what Python, conda and shells read first, and at all of it where it is asked to.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import private_caches
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import ADOPTED, Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.modes import Loose


@dataclass(frozen=True)
class Permissions:
    """What others may change, and so what there is to take back."""

    #: By path of a build; those that were never looked through are there even if nothing was found.
    builds: Mapping[str, tuple[Loose, ...]] = field(default_factory=dict)
    #: Evenkeel's own directories above the builds.
    places: tuple[str, ...] = ()
    #: Package caches that others may enter.
    caches: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.builds or self.places or self.caches)

    @property
    def lines(self) -> list[str]:
        """What is taken back, for people to read."""
        return [
            *("~ permissions of %s" % path for path in (*self.places, *self.caches)),
            *(
                "~ %s" % modes.correction(found, "generation %s" % os.path.basename(path))
                for path, found in self.builds.items()
            ),
        ]

    @property
    def warnings(self) -> list[str]:
        """What users of the node could change, for the operator."""
        exposed = {path: [one for one in found if one.exposed] for path, found in self.builds.items()}
        return [
            "In generation %s %s. That is taken back, and the generation is used for no name again"
            % (os.path.basename(path), ", ".join(modes.reported(found)))
            for path, found in exposed.items()
            if found
        ]

    def without(self, builds: Iterable[str]) -> Permissions:
        """Return the same without builds that go."""
        going = set(builds)
        return Permissions(
            {path: found for path, found in self.builds.items() if path not in going}, self.places, self.caches
        )


def read(root: str, home: str, found: Iterable[Generation], inspected: Iterable[str], *, deep: bool) -> Permissions:
    """Look at the permissions of an environment's builds.

    Parameters
    ----------
    root, home
        Where all environments are, and the builds of this one.
    found
        The builds.
    inspected
        Paths of those whose content is looked at in this run.
    deep
        Whether all their files are looked at, and not only those that are read first.
    """
    builds = {}
    inspected = set(inspected)
    for generation in found:
        if generation.installer == ADOPTED:
            continue
        if not generation.tight:
            builds[generation.path] = modes.loose(generation.path)
        elif generation.path in inspected:
            loose = (modes.loose if deep else modes.loose_entrances)(generation.path)
            if loose:
                builds[generation.path] = loose
    places = []
    for place in (root, os.path.join(root, "envs"), os.path.join(root, "generations"), home):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if modes.judge(place, os.lstat(place), os.geteuid()):
                places.append(place)
    return Permissions(builds, tuple(places), private_caches.open_to_others(os.path.join(root, "pkgs")))


def notes(generation: Generation, permissions: Permissions, *, current: bool) -> tuple[str, ...]:
    """Return why a build may differ from what was built, for people to read; pure.

    That the group of root may write a file counts only in a build that was looked through: packages bring such files.
    """
    found = permissions.builds.get(generation.path, ())
    found = tuple(one for one in found if one.exposed or generation.tight)
    above = [Loose(place, True) for place in permissions.places if current]
    said = (*modes.reported(found), *modes.reported(above))
    return said if said or not generation.exposed else ("others could change its files",)


def apply(permissions: Permissions, root: str) -> None:
    """Take back what others may do, and note which builds they could have changed, those of other environments too."""
    exposed = [
        os.path.join(path, one.path) for path, found in permissions.builds.items() for one in found if one.exposed
    ]
    if permissions.caches or exposed:
        _note_others(permissions, root)
        private_caches.forget(os.path.join(root, "pkgs"), _inodes_of_files(exposed))
    for place in permissions.places:
        modes.take(place)
    for path in permissions.caches:
        private_caches.close(path)
    for path, seen in permissions.builds.items():
        open_to_users = any(one.exposed for one in (*seen, *modes.tighten(path)))
        known = generations.read(path)
        if known is not None:
            generations.mark_tight(path, exposed=open_to_users or known.exposed)


def _inodes_of_files(paths: Iterable[str]) -> set[int]:
    """Return the numbers of those paths that are files, and still there."""
    inodes = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                inodes.add(status.st_ino)
    return inodes


def _note_others(permissions: Permissions, root: str) -> None:
    """Look through all other builds: they share files, whose permissions show nothing once they are taken back."""
    for path in glob.glob(os.path.join(glob.escape(root), "generations", "*", "*")):
        other = None if path in permissions.builds else generations.read(path)
        if other is None or other.exposed or other.installer == ADOPTED:
            continue
        if any(one.exposed for one in modes.loose(path)):
            generations.mark_exposed(path)
