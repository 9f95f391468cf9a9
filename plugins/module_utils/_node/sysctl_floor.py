# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module sysctl_floor: lower limits of kernel parameters. Nothing is ever lowered."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK, Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.virtualization import container

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "values": {"type": "dict", "required": True},
}

#: Where systemd-sysctl looks, the first place of a name hiding the others (sysctl.d(5)).
_PLACES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
_NAME = re.compile(r"[a-z0-9_]+(?:\.[A-Za-z0-9_-]+)+")
_LINE = re.compile(r"\s*-?(?P<name>[^#;=\s]+)\s*=\s*(?P<value>\d+)\s*")


@dataclass(frozen=True)
class State:
    """A parameter as it is.

    Parameters
    ----------
    live
        The value in force; None where the kernel has no such parameter.
    writable
        Whether it is this node's to change, and not the host's of a container.
    """

    live: int | None
    writable: bool


@dataclass(frozen=True)
class Plan:
    """The drop-in's change, what is to be raised now, and descriptions of what can't be done."""

    file: Change | None
    rise: Mapping[str, int]
    before: Mapping[str, int]
    left: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.file or self.rise)

    def diff(self) -> list[dict[str, str]]:
        """Return it as Ansible shows differences."""
        live = {"before_header": "in force", "after_header": "in force"}
        live["before"], live["after"] = (
            "".join("%s = %d\n" % (name, values[name]) for name in sorted(self.rise))
            for values in (self.before, self.rise)
        )
        return ([self.file.diff()] if self.file else []) + ([live] if self.rise else [])


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Raise what is too low, or return what that would change."""
    values = _numbers(params["values"])
    check(params["name"], values)
    path = path_of(params["name"])
    states = read(list(values), in_container=bool(container(Sysroot())))
    todo = plan(path, kept_files.read(path), values, states, later(path))
    if not check_mode:
        apply(todo)
    return {
        "changed": todo.changed,
        "diff": todo.diff(),
        "raised": todo.rise,
        "left": list(todo.left),
        "warnings": list(todo.left),
        "path": path,
    }


def _numbers(values: Mapping[str, Any]) -> dict[str, int]:
    wrong = [name for name, value in values.items() if not re.fullmatch(r"-?\d+", str(value))]
    if wrong:
        raise EvenkeelError(
            "values gives %s no whole number" % ", ".join(sorted(wrong)), "Give every parameter a whole number"
        )
    return {name: int(str(value)) for name, value in values.items()}


def check(name: str, values: Mapping[str, int]) -> None:
    """Require names of parameters, and one for the file.

    Raises
    ------
    EvenkeelError
        Something is none.
    """
    wrong = [key for key, value in values.items() if not _NAME.fullmatch(key) or value < 0]
    if wrong:
        raise EvenkeelError(
            "%s is not a kernel parameter with a number" % ", ".join(wrong),
            "Correct values; `sysctl --all` lists the names",
        )
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise EvenkeelError("name is %r" % name, "Use small letters, digits and '-'")


def path_of(name: str) -> str:
    """Return the path of the drop-in with a name."""
    return "/etc/sysctl.d/60-evenkeel-%s.conf" % name


def read(names: Sequence[str], root: str = "/proc/sys", *, in_container: bool) -> dict[str, State]:
    """Return the state of each parameter; what a container could change would be its host's."""
    found = {}
    for name in names:
        path = _file(name, root)
        try:
            with open(path) as stream:
                found[name] = State(int(stream.read()), not in_container and os.access(path, os.W_OK))
        except (OSError, ValueError):
            found[name] = State(None, False)
    return found


def parse(text: str) -> dict[str, int]:
    """Read the numbers of a file of sysctl.d."""
    lines = filter(None, map(_LINE.fullmatch, text.splitlines()))
    return {line["name"].replace("/", "."): int(line["value"]) for line in lines}


def render(values: Mapping[str, int]) -> str:
    """Return the text of the drop-in."""
    return "".join(["%s\n" % MARK, *("%s = %d\n" % item for item in sorted(values.items()))])


def later(path: str, places: Sequence[str] = _PLACES) -> dict[str, dict[str, int]]:
    """Return what the files say that are read after ``path`` at boot, in their order."""
    files: dict[str, str] = {}
    for place in reversed(places):
        files.update({os.path.basename(file): file for file in glob.glob(os.path.join(place, "*.conf"))})
    after = [files[name] for name in sorted(files) if name > os.path.basename(path)]
    return {file: parse(kept_files.text(file) or "") for file in after}


def plan(
    path: str,
    file: Kept | None,
    values: Mapping[str, int],
    states: Mapping[str, State],
    others: Mapping[str, Mapping[str, int]],
) -> Plan:
    """Compare the state with what is wanted.

    A parameter that is high enough without us stays out of the file: what made it so may make it higher yet. One that
    the file has once is kept there, since the file may be the reason; of a damaged file any may have been there.
    """
    ours: Collection[str] = parse(file.text) if file else ()
    if file and file.text != render(parse(file.text)):
        ours = values
    low = {name for name, state in states.items() if state.live is not None and state.live < values[name]}
    kept = {name: value for name, value in values.items() if name in ours or name in low}
    changes = kept_files.plan({path: file}, {path: Kept(render(kept)) if kept else None})
    rise = {name: values[name] for name in sorted(low) if states[name].writable}
    left = ["the kernel has no %s" % name for name, state in states.items() if state.live is None]
    left += [
        "%s is %d, below %d, and not for this node to change: raise it on the host"
        % (name, states[name].live or 0, values[name])
        for name in sorted(low - set(rise))
    ]
    left += [
        "%s sets %s to %d at the next boot, below %d" % (file, name, said[name], values[name])
        for file, said in others.items()
        for name in sorted(set(said) & set(values))
        if said[name] < values[name]
    ]
    before = {name: states[name].live or 0 for name in rise}
    return Plan(changes[0] if changes else None, rise, before, tuple(left))


def apply(todo: Plan, root: str = "/proc/sys") -> None:
    """Do what the plan says.

    Raises
    ------
    EvenkeelError
        The kernel refuses a value.
    """
    if todo.file:
        kept_files.apply(todo.file)
    for name, value in todo.rise.items():
        _raise(name, value, root)


def _raise(name: str, value: int, root: str) -> None:
    try:
        with open(_file(name, root), "w") as stream:
            stream.write(str(value))
    except OSError as error:
        raise EvenkeelError(
            "%s could not be raised to %d: %s" % (name, value, error.strerror), "Choose a value the kernel takes"
        ) from error


def _file(name: str, root: str) -> str:
    return os.path.join(root, *name.split("."))
