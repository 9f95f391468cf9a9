# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a survey found out about a role's layer of a node."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.rehearsal import Rehearsed

#: Longer problems are shown once for all hosts, in characters.
_SHORT = 200

#: What a role changes may be something to do for these, which can't be known before: servers run in environments, the
#: names of conda's settings depend on its version, and a driver decides what containers are given of it.
FOLLOWERS: Mapping[str, tuple[str, ...]] = {
    "nvidia_driver": ("nvidia_container_toolkit",),
    "miniconda": ("condarc", "conda_environments"),
    "conda_environments": ("jupyter", "remote_access"),
    "jupyter": ("front_door",),
}

#: Of each module's result, what says which version or content a node has.
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "conda_distribution": ("prefix", "home"),
    "conda_environment": ("digest", "generation", "was", "built_ahead", "origin"),
    "cuda_toolkit": ("toolkits", "default"),
    "nvidia_container_toolkit": ("engines", "specification"),
    "nvidia_driver": ("version", "flavour"),
}


def of_layer(tasks: Iterable[Rehearsed], *, diff: bool) -> dict[str, Any]:
    """Return what there is to know of a layer; with ``diff``, the difference that each change makes, too.

    ``changes`` lists what the role would change, each ``task`` with its ``plan`` and ``diff`` where there is one;
    ``problems`` what would make it fail; ``unknown`` what could not be found out; ``warnings``; ``user_problems``,
    texts by user; ``reboot``, why the node has to be rebooted; ``restarts``, what waits for its restart; ``left``, what
    stays although the role would change or remove it, and why; and ``state``, the versions and digests by task.
    """
    layer: dict[str, Any] = {
        "changes": [],
        "problems": [],
        "unknown": [],
        "warnings": [],
        "user_problems": {},
        "reboot": [],
        "restarts": [],
        "left": [],
        "state": {},
    }
    failures: dict[str, dict[str, list[str]]] = {"problems": {}, "unknown": {}}
    for task in tasks:
        result = task.result or {}
        layer["warnings"] += result.get("warnings") or []
        if result.get("failed"):
            text = str(result.get("msg", ""))
            of_text = failures["unknown" if result.get("unknown") else "problems"].setdefault(text, [])
            of_text += [task.item] if task.item and task.item not in text else []
            continue
        if result.get("changed"):
            shown = {"diff": result["diff"]} if diff and result.get("diff") else {}
            planned = {"plan": result["plan"]} if result.get("plan") else {}
            layer["changes"].append({"task": task.label, **planned, **shown})
        layer["unknown"] += result.get("unknown") or []
        layer["reboot"] += result.get("reboot") or []
        layer["restarts"] += [f"{one['unit']} ({', '.join(one['why'])})" for one in result.get("waiting") or ()]
        layer["left"] += result.get("left") or []
        for user, texts in (result.get("user_problems") or {}).items():
            layer["user_problems"].setdefault(user, []).extend(texts)
        state = {key: result[key] for key in IDENTITIES.get(task.module, ()) if result.get(key)}
        if state:
            layer["state"][task.label] = state
    for key, texts_of in failures.items():
        layer[key] += [f"{', '.join(items)}: {text}" if items else text for text, items in texts_of.items()]
    return layer


def of_items(tasks: Sequence[Rehearsed], *, diff: bool) -> dict[str, dict[str, Any]]:
    """Return what there is to know of each item of a layer's loops, as ``of_layer`` does; of the other tasks as ``""``.

    A layer without a loop has none.
    """
    names = dict.fromkeys(task.item for task in tasks)
    if not any(names):
        return {}
    return {
        name: without_empty(of_layer([task for task in tasks if task.item == name], diff=diff)) for name in ["", *names]
    }


def without_empty(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what there is of a layer."""
    return {key: value for key, value in layer.items() if value}


def to_do(layers: Mapping[str, Mapping[str, Any]], asking: Collection[str]) -> list[str]:
    """Return the roles that have something to do on the node, and those that follow them.

    Parameters
    ----------
    layers
        Of each role, what ``of_layer`` returned; roles that follow others come after them.
    asking
        The roles that have a task on this node.
    """
    found: list[str] = []
    for role, layer in layers.items():
        follows = role in asking and any(role in FOLLOWERS.get(earlier, ()) for earlier in found)
        if follows or any(layer[key] for key in ("changes", "unknown", "reboot")):
            found.append(role)
    return found


def problems(layers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return each problem with its role; the further lines of one are indented."""
    found = [(role, text) for role, layer in layers.items() for text in dict.fromkeys(layer["problems"])]
    return [f"{role}: " + "\n  ".join(text.splitlines()) for role, text in found]


def said_once(problem: str, host: str, place: Path) -> str:
    """Return a problem, of which another host of the run has shown the long text, with no more than its beginning.

    Parameters
    ----------
    place
        A directory that all hosts of the run share.
    """
    if len(problem) <= _SHORT:
        return problem
    note = place / f"said-{hashlib.sha256(problem.encode()).hexdigest()}"
    try:
        with note.open("x") as stream:
            stream.write(host)
        return problem
    except FileExistsError:
        first = note.read_text()
    except OSError:  # said twice is better than not at all
        return problem
    if first in ("", host):
        return problem
    beginning = problem.partition("\n")[0][:_SHORT].rstrip(" .:")
    return f"{beginning} ... (the same as on {first}, where all of it is shown)"
