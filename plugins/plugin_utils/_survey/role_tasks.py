# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a role asks for: the tasks of its converge.yml, read as data.

A survey asks the same as the role does because it reads the same tasks. It understands what these need: modules of this
collection, ``when``, ``loop`` with ``loop_var``, ``vars``, ``register``, blocks, and static imports. An option may be
exactly ``{{ NAME.KEY }}`` of a result that an earlier task registers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLLECTION = "evenkeel.gpu."
#: The file of a role's tasks that bring a node to the declared state.
ENTRY = "converge.yml"
_IMPORT = "ansible.builtin.import_tasks"
_REGISTERED = re.compile(r"\{\{ *(\w+)\.(\w+) *\}\}\Z")


@dataclass(frozen=True)
class Reference:
    """An option whose value is a key of an earlier task's result.

    Attributes
    ----------
    task
        The number of that task within the role.
    key
        The key of its result.
    """

    task: int
    key: str


@dataclass(frozen=True)
class RoleTask:
    """A task of a role that runs a module of this collection.

    Attributes
    ----------
    module
        The module's name within the collection.
    options
        Its options as they stand in the file, or references.
    conditions
        All must hold for the task to run, those of its blocks included.
    loop
        Its list, or None.
    loop_var
        The name of an item of it.
    variables
        The task's own, as they stand in the file.
    """

    module: str
    options: Mapping[str, Any]
    conditions: Sequence[Any]
    loop: Any
    loop_var: str
    variables: Mapping[str, Any]


def read(role: Path, load: Callable[[Path], Sequence[Mapping[str, Any]]]) -> list[RoleTask]:
    """Return the tasks of a role, in their order.

    Parameters
    ----------
    role
        The role's directory.
    load
        Returns the content of a file of tasks.
    """
    found: list[RoleTask] = []
    registered: dict[str, int] = {}
    for task, conditions, variables in _flattened(role, load, ENTRY, (), {}):
        module = next((key for key in task if key.startswith(COLLECTION)), None)
        if module is None:
            continue
        options = task[module] or {}
        found.append(
            RoleTask(
                module=module.removeprefix(COLLECTION),
                options={name: _referring(value, registered) for name, value in options.items()},
                conditions=conditions,
                loop=task.get("loop"),
                loop_var=task.get("loop_control", {}).get("loop_var", "item"),
                variables=variables,
            )
        )
        if "register" in task:
            registered[task["register"]] = len(found) - 1
    return found


def _flattened(
    role: Path,
    load: Callable[[Path], Sequence[Mapping[str, Any]]],
    file: str,
    conditions: tuple[Any, ...],
    variables: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], tuple[Any, ...], Mapping[str, Any]]]:
    """Yield each task of a file and of what it imports, with all of its conditions and variables."""
    waiting = [(task, conditions, variables) for task in load(role / "tasks" / file)]
    while waiting:
        task, outer, known = waiting.pop(0)
        when = task.get("when", [])
        inner = (*outer, *(when if isinstance(when, list) else [when]))
        own = {**known, **task.get("vars", {})}
        if "block" in task:
            waiting[:0] = [(one, inner, own) for one in task["block"]]
        elif _IMPORT in task:
            yield from _flattened(role, load, task[_IMPORT], inner, own)
        else:
            yield task, inner, own


def _referring(value: Any, registered: Mapping[str, int]) -> Any:
    found = _REGISTERED.match(value) if isinstance(value, str) else None
    return Reference(registered[found[1]], found[2]) if found and found[1] in registered else value
