# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module node_seal: a machine without what is its own alone, so that its disk can be that of many machines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import first_boot, homes
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal import part as parts
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.first_boot import Token
from ansible_collections.evenkeel.gpu.plugins.module_utils._seal.part import HOWS, REMOVE, Found, Part

_NAMED: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "what": {"type": "str", "required": True},
    "why": {"type": "str", "required": True},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "parts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            **_NAMED,
            "how": {"type": "str", "choices": list(HOWS), "default": REMOVE},
            "lines": {"type": "str"},
            "where": {"type": "path"},
            "secret": {"type": "bool", "default": False},
            "anew": {"type": "bool", "default": False},
            "again": {"type": "bool", "default": False},
        },
    },
    "units": {"type": "list", "elements": "str", "default": []},
    "known": {"type": "list", "elements": "dict", "default": [], "options": _NAMED},
    "refused": {"type": "list", "elements": "dict", "default": [], "options": _NAMED},
    "left": {"type": "list", "elements": "dict", "default": [], "options": _NAMED},
    "keep_homes": {"type": "bool", "default": False},
    "poweroff": {"type": "bool", "default": False},
}

JOURNALS = "/var/log/journal"
#: Until then the answer has reached the control node.
_POWEROFF_SECONDS = 5
_RUN_AGAIN = "Repair that, then run again: a machine that is sealed in part is no image"


@dataclass(frozen=True)
class State:
    """A machine as it is.

    Parameters
    ----------
    found
        What there is of its parts, in their order.
    running
        Units that would write again what is removed.
    tokens
        The files with a random text, those included that an interrupted run has removed.
    belongings
        Files of people, by user.
    refused, left
        What is there and forbids sealing, and what is there and stays, each with what it is and why.
    """

    found: tuple[Found, ...] = ()
    running: tuple[str, ...] = ()
    tokens: tuple[Token, ...] = ()
    belongings: Mapping[str, Sequence[str]] | None = None
    refused: tuple[tuple[str, str, str], ...] = ()
    left: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order."""

    first_boot: tuple[Change, ...]
    stop: tuple[str, ...]
    found: tuple[Found, ...]
    warnings: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.first_boot or self.stop or self.found)

    def diff(self) -> list[dict[str, str]]:
        """Return the files of the first boot, the paths of what goes, and the units that are stopped."""
        lists = {
            "parts of this machine": (
                "".join("%s: %s%s\n" % (one.path, one.part.what, _count(one)) for one in self.found),
                "".join("%s: %s (emptied)\n" % (one.path, one.part.what) for one in self.found if one.stays),
            ),
            "services": ("".join("%s\n" % unit for unit in self.stop), ""),
        }
        return [change.diff() for change in self.first_boot] + [
            {"before_header": name, "after_header": name, "before": before, "after": after}
            for name, (before, after) in lists.items()
            if before
        ]


def _count(found: Found) -> str:
    return " (%d files)" % found.files if found.files > 1 else ""


def read(params: Mapping[str, Any]) -> State:
    """Return what is there."""
    wanted = [Part.of(options) for options in params["parts"]]
    again = [options["path"] for options in params["parts"] if options["anew"]]
    tokens = {token.path: token for token in _listed()}
    tokens.update({token.path: token for pattern in again for token in _owned(Part(pattern, "").paths())})
    people = homes.of_people({token.uid for token in tokens.values()})
    places = tuple(sorted(set(people.values())))
    known = [Part.of(options) for options in params["known"]]
    others = [path for one in (*wanted, *known) for path in one.paths(places)]
    return State(
        found=tuple(found for one in wanted for found in parts.find(one, places)),
        running=tuple(_running(params["units"])),
        tokens=tuple(sorted(tokens.values())),
        belongings={} if params["keep_homes"] else homes.belongings(people, others),
        refused=tuple(_present(params["refused"])),
        left=tuple(_present(params["left"])),
    )


def _listed() -> list[Token]:
    file = kept_files.read(first_boot.LIST)
    return first_boot.parsed(file.text) if file else []


def _owned(paths: Iterable[str]) -> list[Token]:
    statuses = [(path, os.lstat(path)) for path in paths]
    return [Token(path, status.st_uid, status.st_gid) for path, status in statuses]


def _running(patterns: Sequence[str]) -> list[str]:
    if not patterns:
        return []
    argv = ["systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating", "--", *patterns]
    shown = command.require(argv, "The node has to run systemd; see `systemctl status`")
    return [line.split()[0] for line in shown.splitlines() if line.strip()]


def _present(named: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    return [(path, one["what"], one["why"]) for one in named for path in Part(one["path"], "").paths()]


def plan(state: State, leftovers: Sequence[str], first_boot_now: Mapping[str, kept_files.Kept | None]) -> Plan:
    """Compare the machine with a sealed one.

    Parameters
    ----------
    leftovers
        Patterns of what shutting down writes again.
    first_boot_now
        The files of the first boot, as they are.

    Raises
    ------
    EvenkeelError
        It must not be sealed as it is.
    """
    for path, what, why in state.refused:
        raise EvenkeelError("%s is there: %s" % (path, what), why)
    if state.belongings:
        whose = "; ".join("%s: %s" % (user, ", ".join(paths)) for user, paths in sorted(state.belongings.items()))
        raise EvenkeelError(
            "Users have files in their homes, which every machine of the image would have: %s" % whose,
            "Move them away, or keep them in the image by keep_homes (seal_keep_homes of the playbook)",
        )
    wanted = {path: kept_files.Kept(text) for path, text in first_boot.files(state.tokens, leftovers).items()}
    return Plan(
        first_boot=tuple(kept_files.plan(first_boot_now, wanted)),
        stop=state.running,
        found=state.found,
        warnings=tuple("%s stays, and is in the image: %s. %s." % (path, what, why) for path, what, why in state.left),
    )


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Seal the machine, or return what that would change."""
    leftovers = [options["path"] for options in params["parts"] if options["again"]]
    now = {path: kept_files.read(path) for path in first_boot.files([], [])}
    state = read(params)
    todo = plan(state, leftovers, now)
    if not check_mode:
        apply(todo, params)
    return {
        "changed": todo.changed or params["poweroff"],
        "diff": todo.diff(),
        "sealed": [{"path": one.path, "what": one.part.what} for one in todo.found],
        "first_boot": [token.path for token in state.tokens],
        "warnings": list(todo.warnings),
    }


def apply(todo: Plan, params: Mapping[str, Any]) -> None:
    """Carry out the plan; what comes anew is prepared before anything goes.

    Raises
    ------
    EvenkeelError
        A file can't be changed, or systemd does not obey.
    """
    kept_files.apply_all(todo.first_boot)
    command.require(["systemctl", "enable", first_boot.UNIT], _RUN_AGAIN)
    if todo.stop:
        command.require(["systemctl", "stop", "--", *todo.stop], _RUN_AGAIN)
    if os.path.isdir(JOURNALS):
        command.run(["journalctl", "--relinquish-var"])
    # What was stopped may have written again.
    for found in read({**params, "keep_homes": True, "refused": [], "left": []}).found:
        parts.apply(found)
    os.sync()
    if params["poweroff"]:
        argv = ["systemd-run", "--quiet", "--on-active=%d" % _POWEROFF_SECONDS, "--timer-property=AccuracySec=1s"]
        command.require([*argv, "systemctl", "poweroff"], "Power the machine off by hand: it is sealed")
