# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_environment_store: all environments of a node, and what they are built with, taken down."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    conda_environment,
    environment,
    private_caches,
    runtime,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import ABSENT, OURS, State
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Plan
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import remains, unsynced
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["absent"], "required": True},
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "lock_timeout": {"type": "int", "default": 1800},
}
#: What environments are built with, and what is noted while they are, by what the directories hold.
TOOLS = {
    "runtime": re.compile("(%s)?[0-9a-f]{16}" % re.escape(runtime.PARTIAL)),
    "progress": re.compile("environment-.+"),
    "locks": re.compile("pkgs|environment-.+"),
}
#: Whatever is built holds this one.
LOCK = os.path.join("locks", "pkgs")
#: Below the directory of the caches, where the role miniconda keeps one that people share.
CACHES = (*private_caches.CACHES, unsynced.NOTE)
SHARED = "shared"


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Remove all that Evenkeel has built and nobody uses, then the tools, or return what that would change."""
    root = params["root"]
    require_normalised("root", root)
    lines: list[str] = []
    left: list[str] = []
    kept: list[str] = []
    foreign = strangers(root)
    for name in built(root):
        options = {option: spec.get("default") for option, spec in conda_environment.ARGUMENT_SPEC.items()}
        handed = {option: spec.get("default") for option, spec in conda_environment.FROM_ACTION.items()}
        own = {"name": name, "state": "absent", "root": root, "lock_timeout": params["lock_timeout"]}
        state, plan = conda_environment.decide({**options, **own}, None)
        left += stays(state, plan)
        result = conda_environment.converge({**options, **handed, **own}, check_mode)
        lines += ["- %s" % name] if result["changed"] else []
        kept += result.get("kept", [])
    tools = [] if left else [path for path in tools_of(root) if os.path.lexists(path)]
    lines += ["- %s" % path for path in tools]
    if not check_mode:
        remove(root, tools, params["lock_timeout"])
    return {
        "changed": bool(lines),
        "diff": {"before": "".join("%s\n" % line[2:] for line in lines), "after": ""},
        "kept": kept,
        "left": [*left, *foreign, *remains.left(os.path.join(root, "kept"))],
        "warnings": ["Files that people had put into environments are in %s now" % ", ".join(kept)] if kept else [],
    }


def built(root: str) -> list[str]:
    """Return the names of the environments that Evenkeel has built, or has begun to."""
    return sorted(name for name in names_of(root) if environment.read(root, name).link in (OURS, ABSENT))


def names_of(root: str) -> set[str]:
    """Return the names that environments of Evenkeel's may have."""
    folders = [os.path.join(root, name) for name in ("generations", "envs")]
    names = {name for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)}
    return {name for name in names if re.fullmatch(environment.NAME_PATTERN, name)} - {*environment.RESERVED_NAMES}


def stays(state: State, plan: Plan) -> list[str]:
    """Return the builds that can't go, each with the reason."""
    found = []
    for generation in state.generations:
        if generation.path in plan.prune:
            continue
        if generation.pinned:
            why = "it is pinned"
        elif not generation.ours:
            why = "it was taken over, not built by Evenkeel"
        else:
            why = "a process uses it; the first run after its end removes it"
        found.append("%s: %s" % (generation.path, why))
    return found + ["%s: not made by Evenkeel" % path for path in state.strangers]


def strangers(root: str) -> list[str]:
    """Return what others have made among the environments and caches."""
    found = []
    for folder, ours in (("envs", built(root)), ("pkgs", [*CACHES, SHARED])):
        place = os.path.join(root, folder)
        names = sorted(os.listdir(place)) if os.path.isdir(place) else []
        found += ["%s: not made by Evenkeel" % os.path.join(place, name) for name in names if name not in ours]
    return found


def tools_of(root: str) -> list[str]:
    """Return caches and what of tools is ours; none in a directory of others in which nothing was built."""
    if OUR_NAME not in root and not os.path.lexists(os.path.join(root, LOCK)):
        return []
    found = [os.path.join(root, "pkgs", name) for name in CACHES]
    for folder, names in TOOLS.items():
        found += remains.named(os.path.join(root, folder), names)
    return found


def remove(root: str, tools: Sequence[str], lock_timeout: int) -> None:
    """Remove the tools, then the directories in which nothing is left."""
    lock = os.path.join(root, LOCK)
    if tools:
        with held(lock, lock_timeout):
            remains.take([*tools, lock])
        for name in TOOLS:
            remains.prune(os.path.join(root, name))
    remains.clear(os.path.join(root, "kept"))
    begun = [os.path.join("generations", name) for name in names_of(root)]
    for name in (*begun, "envs", "generations", "pkgs"):
        remains.prune(os.path.join(root, name))
    remains.prune_own(root)
