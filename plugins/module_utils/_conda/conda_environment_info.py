# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_environment_info: what a node has of conda environments."""

from __future__ import annotations

import functools
import os
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import clobbered_files, environment, history
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import changes, digest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import this_node
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import verify_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import accounts, as_user, modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.modes import Loose

#: How long an environment that a user owns may take, and how many bytes its description may have.
SECONDS = 120.0
MOST_BYTES = 32 << 20

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "verify": {"type": "str", "choices": ["metadata", "files"], "default": "metadata"},
    "size": {"type": "bool", "default": False},
}
RULES: dict[str, Any] = {"mutually_exclusive": [("name", "prefix")]}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Return the environments of the node."""
    platform, virtual_packages = this_node()
    return {"environments": environments(params), "platform": platform, "virtual_packages": virtual_packages}


def environments(params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the module is asked for."""
    root, deep, size = params["root"], params["verify"] == "files", params["size"]
    if params["prefix"]:
        return [with_rights_of_its_owner(params["prefix"], size)]
    place = os.path.join(root, "envs")
    names = sorted(os.listdir(place)) if os.path.isdir(place) else []
    if params["name"] is not None:
        environment.check(root, params["name"])
        if params["name"] not in names:
            raise EvenkeelError(
                "The node has no environment %s in %s" % (params["name"], place),
                "Name one of %s, or a prefix" % ", ".join(names) if names else "It has none there; name a prefix",
            )
        names = [params["name"]]
    found = [kept(root, name, deep, size) for name in names]
    return [one for one in found if one is not None]


def kept(root: str, name: str, deep: bool, size: bool) -> dict[str, Any] | None:
    """Describe an environment that Evenkeel keeps; None when another one has the name."""
    state = environment.read(root, name, deep=True)
    if state.current is None:
        return None
    current, contents = state.current, state.before
    report = verify_files(current.path) if deep else None
    drift = [*changes(current.packages, contents.packages), *contents.notes, *(report.lines() if report else ())]
    drift += modes.reported(Loose(place, True) for place in modes.loose_ancestors(root))
    result: dict[str, Any] = {
        "name": name,
        "prefix": environment.link_of(root, name),
        "digest": current.digest,
        "drift": drift,
        "clobbered": clobbered_files.lines(_clobbered(current.path)),
        "packages": packages_of(current.path, current),
        "requested": history.requested(current.path),
        "copied": history.copied(current.path),
        "variables": dict(current.variables),
        "generation": current.id,
        "origin": {**current.origin, "built": current.created},
        "generations": [
            {
                "id": one.id,
                "digest": one.digest,
                "number": one.number,
                "created": one.created,
                "installer": one.installer,
                "pinned": one.pinned,
                "in_use": one is current,
            }
            for one in sorted(state.generations, key=lambda generation: generation.number)
        ],
    }
    if report:
        result["user_files"] = list(report.user_files)
    if size:
        result["size"] = measured(current.path)
    return result


def _clobbered(prefix: str) -> dict[str, clobbered_files.Clobbered]:
    """Return the files that packages overwrite; none where the note of them is damaged, which is drift."""
    try:
        return clobbered_files.noted(prefix)
    except ValueError:
        return {}


def with_rights_of_its_owner(prefix: str, size: bool) -> dict[str, Any]:
    """Describe an environment at any place with its owner's rights; the owner may have put anything there."""
    entry = accounts.owner(prefix)
    look = functools.partial(any_environment, prefix, size)
    if entry is None:
        return look()
    found: dict[str, Any] = as_user.call(entry, look, seconds=SECONDS, most_bytes=MOST_BYTES)
    return found


def any_environment(prefix: str, size: bool) -> dict[str, Any]:
    """Describe an environment at any place, made by anybody."""
    if not os.path.isfile(os.path.join(prefix, "conda-meta", "history")):
        raise EvenkeelError(
            "%s is not a conda environment: it has no conda-meta/history" % prefix,
            "Name the directory that 'conda env list' shows on that node",
        )
    result = {
        "name": os.path.basename(prefix.rstrip("/")),
        "prefix": prefix,
        "digest": digest(generations.foreign(prefix), generations.variables(prefix)),
        "drift": [],
        "packages": packages_of(prefix, None),
        "requested": history.requested(prefix),
        "copied": history.copied(prefix),
        "variables": generations.variables(prefix),
        "generations": [],
    }
    if size:
        result["size"] = measured(prefix)
    return result


def packages_of(prefix: str, generation: Generation | None) -> list[dict[str, Any]]:
    """Return the packages that an environment holds, with all that its records or the marker say."""
    known = {package: package for package in (generation.packages if generation else ())}
    return [asdict(known.get(package, package)) for package in generations.foreign(prefix)]


def measured(prefix: str) -> dict[str, int]:
    """Return how many bytes the files below ``prefix`` have, and those of them that nothing else links to."""
    total = own = 0
    for folder, _folders, names in os.walk(prefix):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            total += status.st_size
            own += status.st_size if status.st_nlink == 1 else 0
    return {"total": total, "own": own}
