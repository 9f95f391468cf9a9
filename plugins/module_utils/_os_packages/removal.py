# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The packages that modules have brought to a node, taken away again.

Only what their records name goes, see ``_node.made``, and of that only what no other package needs. What is left of it
is named with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import transaction
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Manager, Refused, Step
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Plan, Request

KINDS = ("package", "hold")


@dataclass(frozen=True)
class Removal:
    """What goes, or in check mode would.

    Parameters
    ----------
    remnants
        Packages that an earlier run has removed, but for their settings.
    healed
        What that run has left half-done.
    left
        What stays, each with the reason.
    warnings
        What the operator must know beside that.
    unknown
        Of check mode, why it is not known what would go.
    """

    plan: Plan = field(default_factory=Plan)
    remnants: tuple[str, ...] = ()
    healed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return bool(self.plan.changed or self.remnants or self.healed or self.unknown)

    def diffs(self) -> list[dict[str, str]]:
        """Return it as Ansible shows differences."""
        return [self.plan.diff()] if self.plan.changed else []


def recorded(modules: Iterable[str]) -> dict[str, list[Thing]]:
    """Return the packages and holds in the records of modules; those that have any."""
    found = {by: [thing for thing in made.read(by) if thing.kind in KINDS] for by in modules}
    return {by: things for by, things in found.items() if things}


def remove(
    modules: Sequence[str], *, lock_timeout: int, check_mode: bool, keep: Mapping[str, str] = MappingProxyType({})
) -> Removal:
    """Take away the packages that modules have brought, and their holds, or return what would go.

    Parameters
    ----------
    keep
        Patterns of packages that stay, each with the reason.

    Raises
    ------
    EvenkeelError
        The package manager refuses, or packages are half-installed that can't be finished.
    """
    records = recorded(modules)
    if not records:
        return Removal()
    manager = package_set.manager_of_node(lock_timeout=lock_timeout)
    own = {thing.name for things in records.values() for thing in things if thing.kind == "package"}
    healed, _unfinished = package_set.heal(
        package_set.Job(next(iter(records)), Request(absent=tuple(own))), manager, check_mode=check_mode
    )
    if healed and check_mode:
        why = "which packages would go, because %s is half-installed" % ", ".join(healed)
        return Removal(healed=healed, unknown=(why,))
    found = plan(manager, [thing for things in records.values() for thing in things], keep)
    if check_mode:
        return found
    edited = _apply(manager, found, own)
    stays = {name for name in own if name in manager.known()}
    for by, things in records.items():
        gone = [thing for thing in things if thing.kind == "hold" or thing.name not in stays]
        made.note(by, [], gone)
    warnings = tuple("%s was changed or added on the node, and stays" % path for path in edited)
    return Removal(found.plan, found.remnants, healed, found.left, warnings)


def plan(manager: Manager, things: Collection[Thing], keep: Mapping[str, str] = MappingProxyType({})) -> Removal:
    """Compare what was brought with what is there; see ``remove``."""
    brought = {thing.name for thing in things if thing.kind == "package"}
    there = sorted(brought & manager.known().keys())
    holds = manager.held()
    held = {thing.name for thing in things if thing.kind == "hold"} & holds
    reasons = {name: why for pattern, why in keep.items() for name in transaction.matching(there, [pattern])}
    if holds - held:
        tools = {one.name for one in transaction.hold_tools(manager.name)}
        reasons.update(dict.fromkeys(tools & set(there), "it holds %s" % ", ".join(sorted(holds - held))))
    may_go = [name for name in there if name not in reasons]
    needed = needed_by_others(manager, may_go)
    go = [name for name in may_go if name not in needed]
    steps: Sequence[Step] = manager.simulate((), go) if go else ()
    if foreign(steps, may_go):  # two alternatives, of which others need one
        needed.update(dict.fromkeys(go, foreign(steps, may_go)))
        go, steps = [], ()
    reasons.update({name: "%s would go too" % ", ".join(by) for name, by in needed.items()})
    return Removal(
        Plan(remove=tuple(go), steps=tuple(steps), release=tuple(sorted(held))),
        remnants=tuple(manager.remnants(sorted(brought - set(there)))),
        left=tuple("the package %s: %s" % one for one in sorted(reasons.items())),
    )


def needed_by_others(manager: Manager, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return those of the packages that can't go without a change of others, with these."""
    own = frozenset(names)

    def look(part: Sequence[str]) -> dict[str, tuple[str, ...]]:
        try:
            others = foreign(manager.simulate((), part), own) if part else ()
        except Refused as error:
            others = (error.what,)
        if not others:
            return {}
        if len(part) == 1:
            return {part[0]: others}
        half = len(part) // 2
        return {**look(part[:half]), **look(part[half:])}

    return look(names)


def foreign(steps: Iterable[Step], own: Collection[str]) -> tuple[str, ...]:
    """Return the packages that steps change beyond the removal of our own."""
    return tuple(sorted({step.name for step in steps if step.after or step.name not in own}))


def _apply(manager: Manager, found: Removal, own: Iterable[str]) -> list[str]:
    """Carry it out; return the settings that stay, since somebody has changed or added them."""
    if found.plan.remove:
        manager.wait()
    transaction.apply(manager, found.plan)
    remnants = manager.remnants(sorted(own))
    edited = manager.edited(remnants)
    clean = [name for name in remnants if name not in edited]
    if clean:
        manager.purge(clean)
    return sorted(path for paths in edited.values() for path in paths)
