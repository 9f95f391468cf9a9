# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What becomes of a named environment: built anew, another of its generations, or removed; pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import activation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import (
    ABSENT,
    DIGEST_DIGITS,
    DIRECTORY,
    OURS,
    State,
    generations_of,
    link_of,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_modes import Permissions
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import (
    ADOPTED,
    Contents,
    Generation,
    intact,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, changes, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@dataclass(frozen=True)
class Desired:
    """What the environment must contain."""

    packages: tuple[Package, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    #: What was asked for before any solve; None when a lock was.
    request: Mapping[str, Any] | None = None
    #: As of a generation.
    origin: Mapping[str, Any] = field(default_factory=dict)

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
        """The plan for people to read, one line for each step."""
        lines = self._contents() if self.build or self.switch or self.unlink else []
        if self.adopt:
            lines.append("! adopted as generation %s" % self.adopt.id)
        if self.was and self.target and self.switch:
            lines.append("~ generation %s -> %s" % (self.was.id, self.target.id))
        if self.target and self.build and not self.switch:
            lines.append("+ generation %s, not switched to" % self.target.id)
        if self.record:
            lines.append("~ request")
        lines += ["%s %s" % ("-" if file is None else "~", path) for path, file in sorted(self.activate.items())]
        if self.pin is not None and self.target:
            lines.append("~ %s generation %s" % ("pinned" if self.pin else "unpinned", self.target.id))
        lines += self.permissions.lines
        lines += ["- interrupted build %s" % os.path.basename(path) for path in self.remove]
        lines += ["- generation %s" % os.path.basename(path) for path in self.prune]
        return lines

    def _contents(self) -> list[str]:
        """Return what is different in the target."""
        after = self.target.packages if self.target else ()
        lines = changes(self.before.packages, after)
        then, now = (self.was.variables if self.was else {}), (self.target.variables if self.target else {})
        for key in sorted(then.keys() | now.keys()):
            if then.get(key) != now.get(key):
                lines.append("%s variable %s" % ("+" if key not in then else "-" if key not in now else "~", key))
        return lines + ["! %s" % note for note in self.before.notes]

    @property
    def without_switch(self) -> Plan:
        """The same without what affects the build in use, its users and the other builds."""
        nothing = Plan(self.target, self.before, self.was)
        return replace(nothing, remove=self.remove, build=True, user_site=self.user_site) if self.build else nothing

    @property
    def diff(self) -> dict[str, str]:
        return {"prepared": "".join(line + "\n" for line in self.lines)}


def known(state: State, request: Mapping[str, Any]) -> tuple[Package, ...] | None:
    """Return the packages that this very request was answered with before; None when it has to be solved.

    The answer is in the build in use, or in a newer one that waits for its switch.
    """
    builds = [state.current] if state.current else []
    last = newest(state.generations)
    if last and last.number > (state.current.number if state.current else 0):
        builds.append(last)
    return next((build.packages for build in builds if build.request == request), None)


def plan(state: State, root: str, name: str, desired: Desired, policy: Policy) -> Plan:
    """Decide how the environment comes to hold what is desired; pure.

    Raises
    ------
    EvenkeelError
        Something that Evenkeel did not make is at the name.
    """
    home = generations_of(root, name)
    taken = {*(generation.path for generation in state.generations), *state.strangers}
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
            origin=desired.origin,
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
        The generation's own name, the beginning of its digest, or how many digests to go back, such as ``-1``.
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
    """Return the build in use when it lost its marker, to be declared complete again, so that no run removes it."""
    if state.current is None or state.current.marked:
        return None
    return replace(state.current, number=state.newest + 1)


def refuse(state: State, root: str, name: str) -> None:
    """Describe what is at the environment's name."""
    adoptable = state.link == DIRECTORY and state.foreign is not None
    raise EvenkeelError(
        "%s is %s that Evenkeel did not make; it was left as it is" % (link_of(root, name), state.link),
        "Move it away, or choose another name%s" % (", or take it over with adopt: true" if adoptable else ""),
    )


def select(state: State, name: str, reference: str) -> Generation:
    """Return the generation that a reference means."""
    ordered = sorted(state.generations, key=lambda generation: generation.number)
    if not ordered:
        raise EvenkeelError(
            "There is no generation of an environment %s" % name,
            "Correct the name, or build the environment with site.yml first",
        )
    have = ", ".join(generation.id for generation in ordered)
    if re.fullmatch(r"-\d{1,4}", reference):
        # A node that was repaired has more builds than others, of the same digests.
        digests = list(dict.fromkeys(generation.digest for generation in ordered))
        start = digests.index(state.current.digest) if state.current in ordered else len(digests)
        place = start + int(reference)
        if not 0 <= place < len(digests):
            raise EvenkeelError(
                "The environment %s has no generation %s steps back from the one in use" % (name, reference[1:]),
                "It has, from the oldest on: %s" % have,
            )
        reference = digests[place]
    found = [generation for generation in ordered if generation.id == reference]
    found = found or [generation for generation in ordered if reference and generation.digest.startswith(reference)]
    if len({generation.digest for generation in found}) != 1:
        raise EvenkeelError(
            "The environment %s has %s generation %r" % (name, "more than one" if found else "no", reference),
            "It has, from the oldest on: %s" % have,
        )
    # Of the same digest: an older build was replaced because it had drifted.
    return state.current if state.current in found else found[-1]


def superfluous(state: State, target: Generation, keep: int) -> tuple[str, ...]:
    """Return the builds that are more than are to be kept, and that nothing holds back.

    The newest build is kept besides when it is not in use: it may wait for its switch.
    """
    if not keep:
        return ()
    last = newest(state.generations)
    kept = {target.path, *([last.path] if last and last != state.current else [])}
    others = [generation for generation in state.generations if generation.path not in kept]
    others.sort(key=lambda generation: generation.number, reverse=True)
    return tuple(
        generation.path for generation in others[keep - 1 :] if generation.ours and generation.path not in state.busy
    )


def newest(generations: Iterable[Generation]) -> Generation | None:
    """Return the last build."""
    return max(generations, key=lambda generation: generation.number, default=None)


def free_path(path: str, taken: Iterable[str]) -> str:
    """Return ``path``, or with a number if another of the same name exists."""
    number, candidate = 1, path
    while candidate in taken:
        number += 1
        candidate = "%s-%d" % (path, number)
    return candidate
