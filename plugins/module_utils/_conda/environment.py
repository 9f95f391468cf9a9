# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A named conda environment as a link to one of its generations."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation, environment_modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_modes import Permissions
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import (
    ADOPTED,
    Contents,
    Generation,
    intact,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, changes, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import user_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes, processes, unsynced
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    disk_full,
    link_atomically,
    make_directories,
    rename_durably,
    require_normalised,
    sync_file_systems,
    write_atomically,
)

NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
RESERVED_NAMES = ("base", "root")
#: Hexadecimal digits of the digest in a generation's path: short enough for the kernel's limit on a shebang line.
DIGEST_DIGITS = 16
_ID = re.compile(r"[0-9a-f]{%d}(-\d+)?" % DIGEST_DIGITS)
ABSENT, OURS, DIRECTORY = "absent", "ours", "a directory"


@dataclass(frozen=True)
class Desired:
    """What the environment shall hold."""

    packages: tuple[Package, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What was asked for before any solve; None when a lock was.
    request: Mapping[str, Any] | None = None

    @property
    def digest(self) -> str:
        return digest(self.packages, self.variables)


@dataclass(frozen=True)
class Policy:
    """How the environment's generations are kept."""

    #: How many to keep, with the one in use; none is removed when 0.
    keep: int = 0
    #: Whether to pin the one in use, or to unpin it; None leaves it as it is.
    pin: bool | None = None
    #: Whether an environment of the name that somebody else made may be taken over.
    adopt: bool = False


@dataclass(frozen=True)
class State:
    """What the node has of one environment."""

    #: ``absent``, ``ours`` or, in words, what stands at the name that Evenkeel did not make.
    link: str
    current: Generation | None = None
    generations: tuple[Generation, ...] = ()
    #: What builds hold now, by path: that of the one in use, and those of the desired digest.
    contents: Mapping[str, Contents] = field(default_factory=dict)
    #: Builds that were interrupted.
    leftovers: tuple[str, ...] = ()
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
        """What people find at the name now."""
        if self.current is not None:
            return self.contents[self.current.path]
        return Contents(self.foreign or ())

    @property
    def newest(self) -> int:
        """The number of the last build."""
        return max((generation.number for generation in self.generations), default=0)


@dataclass(frozen=True)
class Plan:
    """What has to happen, in this order: permissions, remove, build, record, activate, adopt, switch, pin, prune."""

    #: The generation in use afterwards; None when the environment goes.
    target: Generation | None
    before: Contents
    #: Of the generation in use before.
    was: Generation | None = None
    remove: tuple[str, ...] = ()
    #: The build that somebody else made, or that lost its marker, with the path that it gets.
    adopt: Generation | None = None
    build: bool = False
    record: bool = False
    #: Files of Evenkeel's own to write in the build that is used again, None to remove.
    activate: Mapping[str, activation.File | None] = field(default_factory=dict)
    user_site: bool = False
    switch: bool = False
    unlink: bool = False
    pin: bool | None = None
    prune: tuple[str, ...] = ()
    #: What others may change, and may not afterwards.
    permissions: Permissions = field(default_factory=Permissions)

    @property
    def changed(self) -> bool:
        steps = (self.build, self.record, self.switch, self.unlink, self.pin is not None)
        return any(steps) or bool(self.remove or self.prune or self.adopt or self.activate or self.permissions)

    @property
    def lines(self) -> list[str]:
        """The plan in people's words."""
        after = self.target.packages if self.target else ()
        lines = changes(self.before.packages, after)
        then, now = (self.was.variables if self.was else {}), (self.target.variables if self.target else {})
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                lines.append("%s variable %s" % ("+" if key not in then else "-" if key not in now else "~", key))
        lines += ["! %s" % note for note in self.before.notes]
        if self.adopt:
            lines.append("! adopted as generation %s" % self.adopt.id)
        if self.was and self.target and self.was.path != self.target.path:
            lines.append("~ generation %s -> %s" % (self.was.id, self.target.id))
        if self.record:
            lines.append("~ request")
        lines += ["%s %s" % ("-" if file is None else "~", path) for path, file in sorted(self.activate.items())]
        if self.pin is not None and self.target:
            lines.append("~ %s generation %s" % ("pinned" if self.pin else "unpinned", self.target.id))
        lines += self.permissions.lines
        lines += ["- interrupted build %s" % os.path.basename(path) for path in self.remove]
        lines += ["- generation %s" % os.path.basename(path) for path in self.prune]
        return lines

    @property
    def diff(self) -> dict[str, str]:
        return {"prepared": "".join(line + "\n" for line in self.lines)}


def check(root: str, name: str) -> None:
    """Refuse what can't work before anything is read or changed."""
    require_normalised("root", root)
    if name in RESERVED_NAMES:
        raise EvenkeelError(
            "name is %r, which is the distribution's own environment" % name, "Choose another name; base stays clean"
        )
    if not re.fullmatch(NAME_PATTERN, name):
        raise EvenkeelError(
            "name is %r, which is no name of an environment" % name,
            "Use letters, digits, '_', '-' and '.', beginning with a letter, a digit or '_'",
        )


def link_of(root: str, name: str) -> str:
    """Where people find the environment."""
    return os.path.join(root, "envs", name)


def generations_of(root: str, name: str) -> str:
    """Where the environment's builds are."""
    return os.path.join(root, "generations", name)


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
    kind, target, foreign = ABSENT, None, None
    if os.path.islink(link):
        target = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        kind = OURS if os.path.dirname(target) == home else "a symbolic link to %s" % target
    elif os.path.lexists(link):
        kind = DIRECTORY if os.path.isdir(link) else "a file"
        if os.path.isfile(os.path.join(link, "conda-meta", "history")):
            foreign = generations.foreign(link)

    found, leftovers = [], []
    for path in sorted(entry.path for entry in os.scandir(home) if entry.is_dir()) if os.path.isdir(home) else []:
        generation = generations.read(path)
        if generation is None and path == target:
            # In use, so it was complete, whatever has become of its marker; it is never removed under its users.
            generation = Generation(path, generations.foreign(path), installer=ADOPTED, marked=False)
        if generation is not None:
            found.append(generation)
        elif _ID.fullmatch(os.path.basename(path)):
            leftovers.append(path)
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
    return State(
        kind, current, tuple(found), contents, tuple(leftovers), busy, foreign, user_site, outdated, permissions
    )


def known(state: State, request: Mapping[str, Any]) -> tuple[Package, ...] | None:
    """Return the packages that this very request was answered with before; None when it has to be solved."""
    if state.current is not None and state.current.request == request:
        return state.current.packages
    return None


def plan(state: State, root: str, name: str, desired: Desired, policy: Policy) -> Plan:
    """Decide how the environment comes to hold what is desired; pure.

    Raises
    ------
    EvenkeelError
        Something that Evenkeel did not make stands at the name.
    """
    home = generations_of(root, name)
    taken = {generation.path for generation in state.generations}
    adopt = unmarked(state)
    if state.link not in (ABSENT, OURS):
        if not (policy.adopt and state.link == DIRECTORY and state.foreign is not None):
            refuse(state, root, name)
        path = free_path(os.path.join(home, digest(state.foreign or ())[:DIGEST_DIGITS]), taken)
        # It was there before all that Evenkeel builds.
        adopt = Generation(path, tuple(state.foreign or ()), number=0, installer=ADOPTED)
        taken.add(path)

    wanted = desired.digest
    alike = [
        generation
        for generation in state.generations
        if generation.digest == wanted
        and generation.installer != ADOPTED
        and intact(generation, state.contents[generation.path])
    ]
    found = state.current if state.current in alike else next(iter(alike), None)
    if found:
        target = replace(found, request=desired.request)
    else:
        target = Generation(
            path=free_path(os.path.join(home, wanted[:DIGEST_DIGITS]), taken),
            packages=tuple(sorted(desired.packages)),
            variables=dict(desired.variables),
            request=desired.request,
            number=max(state.newest, adopt.number if adopt else 0) + 1,
        )
    return Plan(
        target=target,
        before=state.before,
        was=state.current,
        remove=state.leftovers,
        adopt=adopt,
        build=found is None,
        activate=state.activation.get(found.path, {}) if found else {},
        user_site=state.user_site,
        record=found is not None and found.request != desired.request,
        switch=state.current is None or state.current.path != target.path,
        pin=None if policy.pin is None or policy.pin == target.pinned else policy.pin,
        prune=superfluous(state, target, policy.keep),
        permissions=state.permissions,
    )


def plan_switch(state: State, root: str, name: str, reference: str) -> Plan:
    """Decide how the name comes to mean a generation that the node has already; pure.

    Parameters
    ----------
    reference
        The generation's own name, the beginning of it, or how many generations to go back, such as ``-1``.
    """
    if state.link not in (ABSENT, OURS):
        refuse(state, root, name)
    target = select(state, name, reference)
    return Plan(
        target=target,
        before=state.before,
        was=state.current,
        adopt=unmarked(state),
        activate=state.activation.get(target.path, {}),
        user_site=state.user_site,
        switch=state.current is None or state.current.path != target.path,
        permissions=state.permissions,
    )


def plan_absent(state: State, root: str, name: str) -> Plan:
    """Decide how the environment goes; what Evenkeel did not build, what is pinned and what is in use stays; pure."""
    if state.link not in (ABSENT, OURS):
        refuse(state, root, name)
    going = [generation.path for generation in state.generations if generation.ours]
    return Plan(
        target=None,
        before=state.before,
        was=state.current,
        remove=state.leftovers,
        adopt=unmarked(state),
        unlink=state.link == OURS,
        prune=tuple(path for path in going if path not in state.busy),
        permissions=state.permissions.without(going),
    )


def unmarked(state: State) -> Generation | None:
    """Return the build in use when it lost its marker, as it is to be declared, lest it pass for an interrupted one."""
    if state.current is None or state.current.marked:
        return None
    return replace(state.current, number=state.newest + 1)


def refuse(state: State, root: str, name: str) -> None:
    """Say what stands at the environment's name."""
    adoptable = state.link == DIRECTORY and state.foreign is not None
    raise EvenkeelError(
        "%s is %s that Evenkeel did not make; it was left as it is" % (link_of(root, name), state.link),
        "Move it away, or choose another name%s" % (", or take it over with adopt: true" if adoptable else ""),
    )


def select(state: State, name: str, reference: str) -> Generation:
    """Return the generation that a reference means."""
    ordered = sorted(state.generations, key=lambda generation: generation.number)
    have = ", ".join(generation.id for generation in ordered) or "none"
    if re.fullmatch(r"-\d{1,4}", reference):
        place = (
            ordered.index(state.current) + int(reference) if state.current in ordered else len(ordered) + int(reference)
        )
        if not 0 <= place < len(ordered):
            raise EvenkeelError(
                "The environment %s has no generation %s steps back from the one in use" % (name, reference[1:]),
                "The node keeps, from the oldest on: %s" % have,
            )
        return ordered[place]
    found = [generation for generation in ordered if generation.id == reference]
    found = found or [generation for generation in ordered if reference and generation.digest.startswith(reference)]
    if len(found) != 1:
        raise EvenkeelError(
            "The environment %s has %s generation %r" % (name, "more than one" if found else "no", reference),
            "The node keeps, from the oldest on: %s" % have,
        )
    return found[0]


def superfluous(state: State, target: Generation, keep: int) -> tuple[str, ...]:
    """Return the builds that are more than are to be kept, and that nothing holds back."""
    if not keep:
        return ()
    others = [generation for generation in state.generations if generation.path != target.path]
    others.sort(key=lambda generation: generation.number, reverse=True)
    return tuple(
        generation.path for generation in others[keep - 1 :] if generation.ours and generation.path not in state.busy
    )


def free_path(path: str, taken: Iterable[str]) -> str:
    """Return ``path``, or with a number where another of the same name stands there already."""
    number, candidate = 1, path
    while candidate in taken:
        number += 1
        candidate = "%s-%d" % (path, number)
    return candidate


def apply(
    plan: Plan,
    root: str,
    name: str,
    build: Callable[[Generation], str],
    waiting: Callable[[int], None] = lambda seconds: None,
) -> list[str]:
    """Bring the node to the plan's end, and return where files of users that were in the way are now.

    What fails half-way is removed; what is killed half-way is healed next time. What is declared complete is on the
    disk.

    Parameters
    ----------
    build
        Makes the environment at the generation's path, and returns the installer's name.
    waiting
        Called about every second while the disk is waited for, with the seconds that it has taken.
    """
    link, pkgs, kept = link_of(root, name), os.path.join(root, "pkgs"), []

    def sync(path: str) -> None:
        sync_file_systems([path, *unsynced.places(pkgs)], waiting)
        unsynced.end(pkgs)

    try:
        environment_modes.apply(plan.permissions, root)
        for path in plan.remove:
            shutil.rmtree(path)
        if plan.target and plan.build:
            unsynced.begin(pkgs, rewriting=plan.was is not None and not intact(plan.was, plan.before))
            make(plan.target, link, build, sync, user_site=plan.user_site)
        elif plan.target and plan.record:
            if not plan.target.synced:
                sync(plan.target.path)
            generations.write(replace(plan.target, synced=True), plan.target.path)
        if plan.target and plan.activate:
            activation.apply(plan.target.path, plan.activate)
        if plan.adopt:
            take_over(plan.adopt, link, sync)
        if plan.target:
            if plan.switch:
                link_atomically(link, os.path.relpath(plan.target.path, os.path.dirname(link)))
            if plan.pin is not None:
                set_pin(plan.target.path, plan.pin)
        if plan.unlink:
            os.unlink(link)
        for path in plan.prune:
            place = os.path.join(root, "kept", name)
            taken = [entry.path for entry in os.scandir(place)] if os.path.isdir(place) else []
            kept += discard(path, free_path(os.path.join(place, os.path.basename(path)), taken))
        if plan.target is None:
            with contextlib.suppress(OSError):  # a build that stays keeps it
                os.rmdir(generations_of(root, name))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(root) from error
        raise EvenkeelError("%s: %s" % (error.filename or root, error.strerror), "Mend it and run again") from error
    return kept


def take_over(adopted: Generation, link: str, sync: Callable[[str], None]) -> None:
    """Make an environment that somebody else made a generation, unless it is one already and only lost its marker.

    Its marker is written first: so an interruption leaves either the environment as it was, or a complete generation.
    """
    place = adopted.path if os.path.isdir(adopted.path) else link
    make_directories(os.path.dirname(adopted.path))
    sync(place)
    generations.write(replace(adopted, created=now()), place)
    if place != adopted.path:
        rename_durably(place, adopted.path)


def make(
    target: Generation,
    link: str,
    build: Callable[[Generation], str],
    sync: Callable[[str], None],
    *,
    user_site: bool,
) -> None:
    """Build a generation, check it against what was asked for, freeze it, sync it and declare it complete."""
    name = os.path.basename(link)
    make_directories(os.path.dirname(target.path))
    try:
        installer = build(target)
        wrong = generations.otherwise(target.path, target.packages)
        if wrong:
            raise EvenkeelError(
                "%s built the environment %s from other packages than asked for: %s"
                % (installer, name, ", ".join(sorted(wrong))),
                "The mirror's packages and its index disagree; refresh the mirror",
            )
        message = (
            "Evenkeel keeps this environment the same on every node. Change its packages in the inventory and run "
            "site.yml, or make an environment of your own: conda create --name mine --clone %s" % name
        )
        if target.variables:
            content = {"env_vars": dict(target.variables), "version": 1}
            write_atomically(os.path.join(target.path, generations.VARIABLES), json.dumps(content) + "\n")
        activation.apply(target.path, activation.plan(target.path, link, user_site=user_site))
        write_atomically(os.path.join(target.path, generations.FROZEN), json.dumps({"message": message}) + "\n")
        modes.open_up(target.path)
        sync(target.path)
        generations.write(replace(target, installer=installer, created=now()), target.path)
    except BaseException:
        shutil.rmtree(target.path, ignore_errors=True)
        raise


def set_pin(path: str, pinned: bool) -> None:
    """Mark a generation as one to keep, or not."""
    pin = os.path.join(path, generations.PIN)
    if pinned:
        write_atomically(pin, "")
    else:
        os.unlink(pin)


def discard(path: str, keep_at: str) -> list[str]:
    """Remove a build, but move what users put into it to ``keep_at``; return where that is now.

    The marker goes first: so an interruption leaves an interrupted build, not half of a complete one.
    """
    kept = []
    for relative in user_files(path):
        destination = os.path.join(keep_at, relative)
        with modes.inside(path, relative) as place:
            if place is None or not os.path.lexists(place):  # its user has exchanged or removed it meanwhile
                continue
            os.makedirs(os.path.dirname(destination), mode=0o755, exist_ok=True)
            shutil.move(place, destination)
        kept.append(destination)
    if kept:
        sync_file_systems([keep_at])
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(path, generations.MARKER))
    shutil.rmtree(path)
    return kept


def now() -> str:
    """Return the time for people; nothing is decided by it, since clocks are set back."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
