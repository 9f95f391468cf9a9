# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""``/usr/local/cuda``: a link, which NVIDIA's packages keep by the system's alternatives and its installers don't."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import link_atomically

LINK = "/usr/local/cuda"
#: The group of alternatives, and the link that they keep beside the public one.
GROUP = "cuda"
ALTERNATIVE = "/etc/alternatives/cuda"
#: Debian's and Red Hat's program print this alike.
_CHOICE = re.compile(r"^(/\S+) - priority \d+", re.MULTILINE)
_PRIORITY = re.compile(r"(\d+)\.(\d+)$")
_REMEDY = "See `update-alternatives --display %s`" % GROUP


@dataclass(frozen=True)
class State:
    """What the link is.

    Parameters
    ----------
    kind
        ``absent``, ``link``, ``alternative`` where the alternatives keep it, or ``other`` if it is not a link.
    target
        Where it leads; empty when it is none.
    dangling
        Whether nothing is there.
    choices
        What the alternatives offer; empty where they don't know it.
    chosen
        Whether somebody has chosen, so that a newer toolkit does not take its place by itself.
    """

    kind: str = "absent"
    target: str = ""
    dangling: bool = False
    choices: tuple[str, ...] = ()
    chosen: bool = False


@dataclass(frozen=True)
class Plan:
    """Where the link is to lead; an empty target is no link.

    Parameters
    ----------
    alternatives
        Whether the alternatives keep it.
    register
        Whether they don't know the target yet.
    """

    before: str
    target: str
    alternatives: bool = False
    register: bool = False

    def diff(self) -> dict[str, str]:
        """Return it as Ansible shows differences."""
        texts = ["-> %s\n" % target if target else "" for target in (self.before, self.target)]
        return {"before_header": LINK, "after_header": LINK, "before": texts[0], "after": texts[1]}


def read() -> State:
    """Return what is there."""
    shown = command.run(["update-alternatives", "--display", GROUP])
    choices, chosen = parse(shown.output) if shown.status == 0 else ((), False)
    if not os.path.islink(LINK):
        return State("other" if os.path.lexists(LINK) else "absent", choices=choices, chosen=chosen)
    target = os.readlink(LINK)
    kind = "link"
    if target == ALTERNATIVE:
        kind, target = "alternative", os.readlink(ALTERNATIVE) if os.path.islink(ALTERNATIVE) else ""
    target = os.path.normpath(os.path.join(os.path.dirname(LINK), target)) if target else ""
    return State(kind, target, not os.path.exists(LINK), choices, chosen)


def parse(shown: str) -> tuple[tuple[str, ...], bool]:
    """Read what ``update-alternatives --display`` says: the choices, and whether somebody has chosen."""
    return tuple(_CHOICE.findall(shown)), "manual" in shown.partition("\n")[0]


def plan(state: State, target: str) -> Plan | None:
    """Return what is to be done.

    Parameters
    ----------
    target
        Where the link is to lead. When it is empty only a link that leads nowhere is removed.

    Raises
    ------
    EvenkeelError
        Something else than a link is in its place.
    """
    if not target:
        return Plan(state.target, "") if state.kind == "link" and state.dangling else None
    if state.kind == "other":
        raise EvenkeelError(
            "%s is not a symbolic link, so no toolkit can be made the default" % LINK,
            "Move it away, for example to %s-old, if its contents are not needed" % LINK,
        )
    if not state.choices:
        return None if state.kind == "link" and state.target == target else Plan(state.target, target)
    if state.kind == "alternative" and state.target == target and state.chosen:
        return None
    return Plan(state.target, target, alternatives=True, register=target not in state.choices)


def apply(plan: Plan) -> None:
    """Do it."""
    if not plan.target:
        os.unlink(LINK)
        return
    if not os.path.isdir(plan.target):
        raise EvenkeelError(
            "%s does not exist after its packages were installed" % plan.target,
            "List the files of its packages: `dpkg --listfiles`, or `rpm --query --list`",
        )
    if not plan.alternatives:
        link_atomically(LINK, plan.target)
        return
    if plan.register:
        argv = ["update-alternatives", "--install", LINK, GROUP, plan.target, priority(plan.target)]
        command.require(argv, _REMEDY)
    command.require(["update-alternatives", "--set", GROUP, plan.target], _REMEDY)


def after_removal(state: State, former: str, gone: Collection[str]) -> str:
    """Return where a link of ours leads once toolkits are gone; empty for no link.

    Parameters
    ----------
    former
        Where it led before it was ours; empty where there was none.
    gone
        The directories of those toolkits.
    """
    if state.kind not in ("link", "alternative"):
        return state.target
    rest = [choice for choice in state.choices if choice not in gone]
    # The alternatives take the place of a link of others, and leave none with their last choice.
    if state.kind == "link" or not rest:
        return "" if former in gone else former
    for one in (former, state.target):
        if one in rest:
            return one
    return max(rest, key=lambda choice: int(priority(choice)))


def withdraw(target: str, gone: Collection[str]) -> None:
    """Have the link lead there, and the alternatives forget the directories of toolkits that are gone."""
    for choice in read().choices:
        if choice in gone:
            command.require(["update-alternatives", "--remove", GROUP, choice], _REMEDY)
    state = read()
    if state.kind != "other" and state.target != target:
        apply(Plan(state.target, target, alternatives=bool(state.choices)))


def priority(target: str) -> str:
    """Return the priority that NVIDIA's packages give a toolkit: ``128`` for ``/usr/local/cuda-12.8``."""
    found = _PRIORITY.search(target)
    return "".join(found.groups()) if found else "1"


def files() -> Sequence[str]:
    """Return the links whose change changes which libraries the loader finds."""
    return [path for path in (LINK, ALTERNATIVE) if os.path.islink(path)]
