# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a run has done to each node, what waits there, and what was left and why; equal nodes stand together."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.unreachable import why_of_any
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._output.node_names import in_order, named
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import report
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.rehearsal import Rehearsed

COLUMNS = 120
#: So many nodes of a group are named where all is as it should be, and where it is not.
_FEW, _MANY = 8, 50
_LONGEST_REASON = 240

#: Of a result, what a summary is made of.
_KEPT = ("changed", "failed", "msg", "unknown", "reboot", "waiting", "left", "user_problems")
_UNTIL_A_REBOOT = ("reboot", "waiting")
_ENVIRONMENT = "conda_environment"


@dataclass
class Node:
    """What a run has shown of a node.

    Attributes
    ----------
    layers
        By role, what the survey found, as ``report.of_layer`` returns it.
    to_do
        The roles that the survey found something to do for.
    done
        By role, the results of its tasks since.
    changed
        By role, the items that were changed; an empty one for what is no item.
    ahead
        What was built and not switched to.
    failed
        Where it failed, and why.
    unreachable
        Why it can't be reached.
    """

    layers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    to_do: list[str] = field(default_factory=list)
    done: dict[str, list[Rehearsed]] = field(default_factory=dict)
    changed: dict[str, dict[str, None]] = field(default_factory=dict)
    ahead: dict[str, None] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    unreachable: str = ""

    def surveyed(self, result: Mapping[str, Any], *, again: bool = False) -> None:
        """Take the result of a survey, which stands in place of what was known of its roles.

        Parameters
        ----------
        again
            Whether it counts only for roles that were surveyed before.
        """
        roles = [role for role in result.get("roles", ()) if role in self.layers or not again]
        found = [role for role in result.get("to_do", ()) if role in roles]
        self.to_do = [role for role in self.to_do if role not in roles] + found
        layers = result.get("layers", {})
        for role in roles:
            self.layers[role] = layers.get(role, {})
            self.done.pop(role, None)

    def ran(self, role: str, module: str, results: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Take the results of a role's task, one for each item."""
        for item, result in results:
            if result.get("ansible_job_id") or result.get("skipped"):  # it goes on, or there was nothing
                continue
            if module == _ENVIRONMENT and result.get("built_ahead"):
                self.ahead[item] = None
                continue
            self.ahead.pop(item, None)
            kept = {key: result[key] for key in _KEPT if key in result}
            self.done.setdefault(role, []).append(Rehearsed(0, module, item, _nothing, result=kept))
            if result.get("changed") and not result.get("failed"):
                self.changed.setdefault(role, {})[item] = None

    def rebooted(self) -> None:
        """Take that the node was rebooted, so that nothing waits for that, or for a restart, any longer."""
        self.layers = {role: {**layer, "reboot": [], "restarts": []} for role, layer in self.layers.items()}
        for task in (task for tasks in self.done.values() for task in tasks):
            task.result = {key: value for key, value in (task.result or {}).items() if key not in _UNTIL_A_REBOOT}

    def layer(self, role: str) -> Mapping[str, Any]:
        """Return what is known of a role by now."""
        return report.of_layer(self.done[role], diff=False) if role in self.done else self.layers.get(role, {})


@dataclass(frozen=True)
class Entry:
    """What is shown of a node, and how grave that is."""

    grave: int
    lines: tuple[str, ...]


def lines(
    nodes: Mapping[str, Node], *, check: bool = False, only_some_roles: bool = False, columns: int = COLUMNS
) -> list[str]:
    """Return the summary: what went well first, what did not last.

    Parameters
    ----------
    check
        Whether nothing was changed, and the changes are those that would be made.
    only_some_roles
        Whether the run was for some of the roles.
    columns
        How wide lines may be.
    """
    groups: dict[Entry, list[str]] = {}
    for name, node in nodes.items():
        entry = _entry(node, check, only_some_roles)
        if entry.lines:
            groups.setdefault(entry, []).append(name)
    places = {name: place for place, name in enumerate(in_order(nodes))}
    ordered = sorted(groups, key=lambda entry: (entry.grave, min(places[name] for name in groups[entry])))
    return [line for entry in ordered for line in _shown(entry, groups[entry], columns)]


def _shown(entry: Entry, names: Sequence[str], columns: int) -> Iterator[str]:
    count = f" ({len(names)} nodes)" if len(names) > 1 else ""
    first, *more = entry.lines
    yield from _wrapped(f"{named(names, _MANY if entry.grave > 1 else _FEW)}{count}: {first}", columns, "")
    for line in more:
        yield from _wrapped(line, columns, "  ")


def _wrapped(text: str, columns: int, first: str) -> list[str]:
    return textwrap.wrap(
        in_one_line(text),
        columns,
        initial_indent=first,
        subsequent_indent="    ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _entry(node: Node, check: bool, only_some_roles: bool) -> Entry:
    roles = list(dict.fromkeys((*node.layers, *node.done)))
    layers = {role: node.layer(role) for role in roles}
    changes = [_change(role, items) for role, items in node.changed.items()]
    stopped = bool(node.failed or node.unreachable)
    not_done = [role for role in node.to_do if role not in node.done]
    waits = list(_waits(layers))
    left = list(_left(layers))

    head: list[str] = []
    if node.unreachable:
        head.append(f"unreachable: {_reason(why_of_any(node.unreachable))}")
    head += [f"failed in {where}: {_reason(text)}" for where, text in node.failed]
    if changes:
        head.append(f"{'would change' if check else 'changed'} {', '.join(changes)}")
    elif not stopped and node.layers and not not_done and not node.ahead:
        head.append(f"as declared in {', '.join(node.layers)}" if only_some_roles else "as declared")
    elif stopped:
        head.append("nothing was changed")
    if node.ahead:
        head.append(f"built, and not switched to: {', '.join(node.ahead)}")
    if not_done and not check:
        head.append(f"not done: {', '.join(not_done)}")
    head += [f"waits: {text}" for text in waits] + [f"left: {text}" for text in left]
    return Entry(3 if stopped else 2 if not_done else 1 if waits or left or changes else 0, tuple(head))


def _change(role: str, items: Iterable[str]) -> str:
    named_items = [item for item in items if item]
    return f"{role} ({', '.join(named_items)})" if named_items else role


def _waits(layers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for layer in layers.values():
        for reason in dict.fromkeys(layer.get("reboot", ())):
            yield f"a reboot: {reason}"
    for layer in layers.values():
        for unit in dict.fromkeys(layer.get("restarts", ())):
            yield f"the restart of {unit}"


def _left(layers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for role, layer in layers.items():
        for text in dict.fromkeys((*layer.get("left", ()), *layer.get("unknown", ()))):
            yield f"{role}: {text}"
        for user, texts in layer.get("user_problems", {}).items():
            for text in dict.fromkeys(texts):
                yield f"{user}: {text}"


def _reason(text: str) -> str:
    first = text.strip().partition("\n")[0]
    return first if len(first) <= _LONGEST_REASON else first[: _LONGEST_REASON - 1] + "~"


def _nothing() -> Any:
    raise NotImplementedError
