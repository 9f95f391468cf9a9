# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""nginx without a file of ours; and nginx itself, where a module has brought it and nobody else uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, made, nginx, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.removal import Removal

#: The modules that bring nginx; the one that needs it last takes it away, whichever has brought it.
MODULES = ("front_door", "package_mirror")
_SERVICE = Thing("service", nginx.UNIT)
_REMEDY = "See `journalctl --unit %s`" % nginx.UNIT


@dataclass(frozen=True)
class Use:
    """What nginx does beside serving our file.

    Parameters
    ----------
    running
        Whether its service runs.
    switched_on
        Whether a module of ours has had it start at boot.
    users
        The files that tell it to serve more.
    """

    running: bool
    switched_on: bool
    users: tuple[str, ...]


def withdraw(name: str, files: Sequence[Change], *, lock_timeout: int, check_mode: bool) -> dict[str, Any]:
    """Have nginx serve a file no more, and return the module's result.

    Parameters
    ----------
    name
        The file's.
    files
        The changes that remove it and what belongs to it; the last one is made when nginx has let go of it.

    Raises
    ------
    EvenkeelError
        nginx does not reload its configuration, or its packages can't be removed.
    """
    modules = list(removal.recorded(MODULES))
    use = read(name, modules, lock_timeout)
    if not check_mode:
        kept_files.apply_all(files[:-1])
        if files and use.running:
            command.require(["systemctl", "reload", nginx.UNIT], _REMEDY)
    gone = removal.remove(() if use.users else modules, lock_timeout=lock_timeout, check_mode=check_mode)
    stops = use.switched_on and not use.users and not gone.left
    if not check_mode:
        if stops:
            _stop()
        kept_files.apply_all(files[-1:])
    return {
        "changed": bool(files or stops or gone.changed),
        "packages": list(map(str, gone.plan.steps)),
        "left": left(use, modules, gone),
        "warnings": list(gone.warnings),
        "unknown": list(gone.unknown),
        "diff": [*(change.diff() for change in files), *gone.diffs()],
    }


def read(name: str, modules: Sequence[str], lock_timeout: int) -> Use:
    """Look at the node.

    Parameters
    ----------
    name
        Of our file.
    modules
        Those that have brought packages.
    """
    things = [thing for module in MODULES for thing in made.read(module)]
    packages = sorted({thing.name for thing in things if thing.kind == "package"})
    edited = package_set.manager_of_node(lock_timeout=lock_timeout).edited(packages) if modules else {}
    return Use(
        running=nginx.is_there() and units.read([nginx.UNIT])[nginx.UNIT].running,
        switched_on=_SERVICE in things,
        users=(*nginx.others(name), *sorted(path for paths in edited.values() for path in paths)),
    )


def left(use: Use, modules: Sequence[str], gone: Removal) -> list[str]:
    """Return what stays that a module has brought, with the reason."""
    if use.users and (modules or use.switched_on):
        return ["nginx: %s may make it serve more" % ", ".join(use.users)]
    return list(gone.left)


def _stop() -> None:
    """Have nginx, where it is still there, not run; a module of ours has switched it on."""
    if nginx.is_there():
        command.require(["systemctl", "disable", "--now", nginx.UNIT], _REMEDY)
    for module in MODULES:
        made.note(module, [], [_SERVICE])
