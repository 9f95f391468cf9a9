# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A named conda environment, a link to one of its generations: what the node has of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation, environment_modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_modes import Permissions
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import ADOPTED, Contents, Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import processes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised

NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
RESERVED_NAMES = ("base", "root")
#: Hexadecimal digits of the digest in a generation's path: short enough for the kernel's limit on a shebang line.
DIGEST_DIGITS = 16
_ID = re.compile(r"[0-9a-f]{%d}(-\d+)?" % DIGEST_DIGITS)
#: In an unfinished build; conda tries its files out in the second one before it makes the first.
_OF_INSTALLERS = ("conda-meta", ".condatmp")
ABSENT, OURS, DIRECTORY = "absent", "ours", "a directory"


@dataclass(frozen=True)
class State:
    """What the node has of one environment."""

    #: ``absent``, ``ours`` or, in words, what is at the name that Evenkeel did not make.
    link: str
    current: Generation | None = None
    generations: tuple[Generation, ...] = ()
    #: What builds hold now, by path: that of the one in use, and those of the desired digest.
    contents: Mapping[str, Contents] = field(default_factory=dict)
    #: Builds that were interrupted.
    leftovers: tuple[str, ...] = ()
    #: Paths that a build would have and where something else is, which stays as it is.
    strangers: tuple[str, ...] = ()
    #: Paths of builds that running processes use.
    busy: frozenset[str] = frozenset()
    #: The packages of the environment that somebody else made at the name.
    foreign: tuple[Package, ...] | None = None
    #: Whether the environment's Python is to see what users have below ``~/.local``.
    user_site: bool = False
    #: Of each build, the files of Evenkeel's own that are not as they are to be.
    activation: Mapping[str, Mapping[str, activation.File | None]] = field(default_factory=dict)
    permissions: Permissions = field(default_factory=Permissions)

    @property
    def before(self) -> Contents:
        """What the name means now."""
        if self.current is not None:
            return self.contents[self.current.path]
        return Contents(self.foreign or ())

    @property
    def newest(self) -> int:
        """The number of the last build."""
        return max((generation.number for generation in self.generations), default=0)


def check(root: str, name: str) -> None:
    """Refuse what can't work before anything is read or changed."""
    require_normalised("root", root)
    check_name(name)


def check_name(name: str) -> None:
    """Refuse a name that no environment can have."""
    if name in RESERVED_NAMES:
        raise EvenkeelError(
            "name is %r, which is the distribution's own environment" % name, "Choose another name; base stays clean"
        )
    if not re.fullmatch(NAME_PATTERN, name):
        raise EvenkeelError(
            "name is %r, which is not a valid name of an environment" % name,
            "Use letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'",
        )


def link_of(root: str, name: str) -> str:
    """Where users find the environment."""
    return os.path.join(root, "envs", name)


def generations_of(root: str, name: str) -> str:
    """Where the environment's builds are."""
    return os.path.join(root, "generations", name)


def means(root: str, name: str, generation: str) -> bool:
    """Return whether the environment's name means the build at a path now."""
    link = link_of(root, name)
    return os.path.islink(link) and _target_of(link) == generation


def read(
    root: str, name: str, wanted: str = "", keep: int = 0, user_site: bool | None = None, *, deep: bool = False
) -> State:
    """Read the node's state from the file system.

    Parameters
    ----------
    root, name
        Where the environments are, and which one is meant.
    wanted
        A digest: builds of it are looked into, since one of them may be used again.
    keep
        How many generations are to be kept; where there are more, running processes are looked at.
    user_site
        Whether its Python is to see what users have below ``~/.local``; None is as the one in use does.
    deep
        Whether the permissions of all files are looked at, and not only of those that are read first.
    """
    link, home = link_of(root, name), generations_of(root, name)
    kind, target, foreign = _at(link, home)
    found, leftovers, strangers = _builds(home, target)
    current = next((generation for generation in found if generation.path == target), None)
    contents = {
        generation.path: generations.inspect(generation)
        for generation in found
        if generation is current or (wanted and generation.digest == wanted)
    }
    permissions = environment_modes.read(root, home, found, contents, deep=deep)
    for generation in found:
        if generation.path in contents:
            seen = contents[generation.path]
            loose = environment_modes.notes(generation, permissions, current=generation is current)
            contents[generation.path] = replace(seen, notes=(*seen.notes, *loose))
    # The one in use too: it may be among those that go.
    paths = [generation.path for generation in found]
    busy = processes.using(paths) if len(found) >= keep > 0 else frozenset()
    if user_site is None:
        user_site = current is not None and not activation.isolates(current.path)
    outdated = {
        generation.path: activation.plan(generation.path, link, user_site=user_site)
        for generation in found
        if generation.installer != ADOPTED
    }
    return State(kind, current, found, contents, leftovers, strangers, busy, foreign, user_site, outdated, permissions)


def _at(link: str, home: str) -> tuple[str, str, tuple[Package, ...] | None]:
    """Return what is at an environment's name, the build it means, and the packages of somebody else's."""
    if os.path.islink(link):
        target = _target_of(link)
        return (OURS if os.path.dirname(target) == home else "a symbolic link to %s" % target), target, None
    if not os.path.lexists(link):
        return ABSENT, "", None
    is_environment = os.path.isfile(os.path.join(link, "conda-meta", "history"))
    kind = DIRECTORY if os.path.isdir(link) else "a file"
    return kind, "", generations.foreign(link) if is_environment else None


def _target_of(link: str) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))


def _builds(home: str, target: str) -> tuple[tuple[Generation, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the complete builds of an environment, and the paths of interrupted ones and of what is none."""
    found: list[Generation] = []
    leftovers: list[str] = []
    strangers: list[str] = []
    entries = sorted(os.scandir(home), key=lambda entry: entry.path) if os.path.isdir(home) else []
    for entry in entries:
        generation = generations.read(entry.path) if entry.is_dir() else None
        if generation is None and entry.path == target and entry.is_dir():
            # In use, so it was complete, whatever has become of its marker; it is never removed under its users.
            generation = Generation(entry.path, generations.foreign(entry.path), installer=ADOPTED, marked=False)
        if generation is not None:
            found.append(generation)
        elif _ID.fullmatch(entry.name):
            interrupted = entry.is_dir(follow_symlinks=False) and _is_begun(entry.path)
            (leftovers if interrupted else strangers).append(entry.path)
    return tuple(found), tuple(leftovers), tuple(strangers)


def _is_begun(path: str) -> bool:
    """Whether a directory is what an interrupted build left: installers make their own folder before any file."""
    if any(os.path.isdir(os.path.join(path, name)) for name in _OF_INSTALLERS):
        return True
    return not any(files for _folder, _folders, files in os.walk(path))
