# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module conda_environment: a named conda environment."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build as builder
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    built_wheels,
    bytecode_delivery,
    bytecode_offer,
    cache_verification,
    clobbered_files,
    environment,
    environment_apply,
    environment_plan,
    fetchable,
    package_cache,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.build_progress import Progress, progress_in
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_cache import DamagedCache
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_offer import Offer
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment import State
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.environment_plan import Desired, Plan, Policy
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Contents, Generation, intact
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import (
    RATTLER,
    Job,
    Tools,
    check_local_archives,
    choose,
    require_uv,
    rewritten,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import this_node
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import user_files, verify_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes, priority
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, carrying
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

SOURCES = ("environment", "lock", "explicit", "packages")

_TEXT = {"type": "str", "default": ""}
_PACKAGE = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "build": _TEXT,
    "sha256": _TEXT,
    "manager": {"type": "str", "choices": ["conda", "pip"], "default": "conda"},
    "url": _TEXT,
    "md5": _TEXT,
    "size": {"type": "int", "default": 0},
    "depends": {"type": "list", "elements": "str", "default": []},
    "index": _TEXT,
}
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "environment": {"type": "path"},
    "lock": {"type": "path"},
    "pixi_environment": {"type": "str"},
    "explicit": {"type": "path"},
    "packages": {"type": "list", "elements": "str"},
    "channels": {"type": "list", "elements": "str"},
    "generation": {"type": "str"},
    "mirrors": {"type": "dict", "default": {}},
    "pip_index": {"type": "str"},
    "pip_indexes": {"type": "list", "elements": "str", "default": []},
    "keep": {"type": "int", "default": 3},
    "pin": {"type": "bool"},
    "adopt": {"type": "bool", "default": False},
    "switch": {"type": "bool", "default": True},
    "user_site": {"type": "bool"},
    "verify": {"type": "str", "choices": ["metadata", "files"], "default": "metadata"},
    "installer": {"type": "str", "choices": ["auto", "rattler", "conda"], "default": "auto"},
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "conda": {"type": "path", "default": "/opt/miniconda3/bin/conda"},
    "python": {"type": "path", "default": "/opt/miniconda3/bin/python"},
    "runtime": {"type": "path"},
    "download_timeout": {"type": "int", "default": 60},
    "connections": {"type": "int", "default": 5},
    "batch_connections": {"type": "int", "default": 0},
    "lock_timeout": {"type": "int", "default": 1800},
}
#: The exact packages that answer the source, what activation sets, what the source asks for before any solve, and, also
#: of one that a lock has answered, what was asked for by name; bytecode that was compiled for the lock; what to record
#: of the source; and where the control node has put files that the node lacks.
FROM_ACTION: dict[str, Any] = {
    "resolved": {"type": "list", "elements": "dict", "options": _PACKAGE},
    "variables": {"type": "dict", "default": {}},
    "request": {"type": "dict"},
    "specs": {"type": "list", "elements": "str", "default": []},
    "bytecode": {"type": "dict"},
    "origin": {"type": "dict", "default": {}},
    "brought": {"type": "path"},
}
RULES: dict[str, Any] = {
    "mutually_exclusive": [(*SOURCES, "generation")],
    "required_together": [("packages", "channels")],
    "required_if": [("state", "present", (*SOURCES, "generation"), True)],
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the environment to the declared state, or return what that would change."""
    warnings: list[str] = []
    with carrying(warnings):
        return {**_converge(params, check_mode, warnings), "warnings": warnings}


def _converge(params: dict[str, Any], check_mode: bool, warnings: list[str]) -> dict[str, Any]:
    name, root = params["name"], params["root"]
    environment.check(root, name)
    if params["keep"] < 0:
        raise EvenkeelError("keep is %d" % params["keep"], "Give a number of generations, or 0 to remove none")
    if params["connections"] < 1:
        raise EvenkeelError("connections is %d" % params["connections"], "Give how many downloads there may be at once")
    if params["generation"] is not None and not params["switch"]:
        raise EvenkeelError(
            "switch is false, and generation is %r, which is there already" % params["generation"],
            "Set one of the two",
        )
    result: dict[str, Any] = {"prefix": environment.link_of(root, name)}

    desired = None
    if params["state"] == "present" and params["generation"] is None:
        desired = desired_by(params)
        if desired is None:
            platform, virtual_packages = this_node()
            unresolved = {"platform": platform, "virtual_packages": virtual_packages}
            return {"changed": False, "unresolved": unresolved, **result}

    warnings += [
        "%s can be changed by other users than root: a user who replaces %s can run code as its users" % (place, root)
        for place in modes.loose_ancestors(root)
    ]
    state, plan = decide(params, desired)
    if plan.was and plan.target and not intact(plan.was, plan.before):
        result["user_files"] = list(user_files(plan.was.path))
    if plan.build and plan.target and check_mode:
        rehearse(params, plan.target)
    if plan.build and plan.target and params["brought"] is None:
        lacking = built_wheels.lacking(pkgs_of(params), plan.target.packages)
        bytecode = bytecode_delivery.wanted(pkgs_of(params), plan.target.packages, offer_of(params))
        if lacking or (bytecode and not params["bytecode"]["store"]):
            result["wanted"] = [built_wheels.file_of(package) for package in lacking]
            result["wanted"] += [archive.file for archive in bytecode.values()]
            if not check_mode:
                return {"changed": False, **result}
    if plan.changed and not check_mode:
        if not params["switch"]:
            priority.lower()
        with (
            held(os.path.join(root, "locks", "environment-" + name), params["lock_timeout"]),
            held(os.path.join(root, "locks", "pkgs"), params["lock_timeout"]) as lock,
        ):
            state, plan = decide(params, desired)
            with progress_in(os.path.join(root, "progress", "environment-" + name)) as progress:
                make = partial(build, params, state, lock=lock, progress=progress, warnings=warnings, result=result)
                kept = environment_apply.apply(plan, root, name, make, progress.wait)
        if kept:
            result["kept"] = kept
    if plan.was:
        result["was"] = plan.was.digest
        result["origin"] = {**plan.was.origin, "built": plan.was.created}
    if plan.target:
        result.update(digest=plan.target.digest, generation=plan.target.path)
        there = generations.read(plan.target.path)
        if there:
            result["installer"] = there.installer
        result["built_ahead"] = there is not None and not environment.means(root, name, plan.target.path)
    warnings += plan.permissions.warnings
    return {"changed": plan.changed, "diff": plan.diff, "plan": plan.lines, **result}


def desired_by(params: dict[str, Any]) -> Desired | None:
    """Return what the source asks for; None when it has to be solved first."""
    packages = None
    if params["resolved"] is not None:
        packages = tuple(from_mapping(fields) for fields in params["resolved"])
    elif params["request"] is not None:
        packages = environment_plan.known(environment.read(params["root"], params["name"]), params["request"])
    if packages is None:
        return None
    return Desired(packages, params["variables"], params["request"], params["origin"])


def decide(params: dict[str, Any], desired: Desired | None) -> tuple[State, Plan]:
    """Read the node and plan what is to be done now."""
    state, plan = decide_all(params, desired)
    return state, plan if params["switch"] else plan.without_switch


def decide_all(params: dict[str, Any], desired: Desired | None) -> tuple[State, Plan]:
    """Read the node and plan."""
    name, root = params["name"], params["root"]
    if params["state"] == "absent":
        state = environment.read(root, name, keep=1)
        return state, environment_plan.plan_absent(state, root, name)
    if desired is None:
        state = environment.read(root, name, user_site=params["user_site"])
        return state, environment_plan.plan_switch(state, root, name, params["generation"])
    deep = params["verify"] == "files"
    state = environment.read(root, name, desired.digest, params["keep"], params["user_site"], deep=deep)
    if deep and state.current:
        seen = state.contents[state.current.path]
        report = verify_files(state.current.path)
        looked_into = Contents(seen.packages, (*seen.notes, *report.lines()))
        state = replace(state, contents={**state.contents, state.current.path: looked_into})
    policy = Policy(params["keep"], params["pin"], params["adopt"])
    return state, environment_plan.plan(state, root, name, desired, policy)


def rehearse(params: dict[str, Any], target: Generation) -> None:
    """Fail where a build would, as far as that shows without one; changes nothing.

    A distribution or a runtime that is not there yet is another task's to bring.
    """
    tools = tools_of(params)
    installer = RATTLER
    if os.path.exists(tools.conda) and (not tools.runtime or os.path.isdir(tools.runtime)):
        installer, _unused = choose(params["installer"], tools)
    packages = rewritten(target.packages, params["mirrors"])
    if any(package.manager == PIP for package in packages) and os.path.isdir(tools.runtime):
        require_uv(tools)
    check_local_archives(package for package in packages if package.manager != PIP)
    sources = fetchable.Sources(
        cache=os.path.join(pkgs_of(params), installer),
        pip_index=params["pip_index"] or "",
        timeout=params["download_timeout"],
        connections=params["connections"],
    )
    fetchable.require_fetchable(params["name"], packages, sources)


def tools_of(params: dict[str, Any]) -> Tools:
    return Tools(params["conda"], params["python"], params["runtime"] or "")


def offer_of(params: dict[str, Any]) -> Offer | None:
    return bytecode_offer.from_mapping(params["bytecode"]) if params["bytecode"] else None


def pkgs_of(params: dict[str, Any]) -> str:
    return os.path.join(params["root"], "pkgs")


def build(
    params: dict[str, Any],
    state: State,
    target: Generation,
    *,
    lock: int,
    progress: Progress,
    warnings: list[str],
    result: dict[str, Any],
) -> str:
    """Make the environment, with bytecode, at the generation's path, and return the installer's name."""
    pkgs = pkgs_of(params)
    tools = tools_of(params)
    installer, why = choose(params["installer"], tools)
    if why:
        warnings.append("The environment %s is built with conda: %s" % (params["name"], why))
    os.makedirs(pkgs, mode=0o755, exist_ok=True)
    if os.stat(pkgs).st_dev != os.stat(os.path.dirname(target.path)).st_dev:
        warnings.append("%s is on another file system than the environments, so files are copied, not linked" % pkgs)
    job = Job(
        name=params["name"],
        prefix=target.path,
        packages=rewritten(target.packages, params["mirrors"]),
        specs=tuple(params["specs"] or (target.request or {}).get("packages") or ()),
        pkgs=pkgs,
        lock=lock,
        timeout=params["download_timeout"],
        connections=params["connections"],
        pip_index=params["pip_index"] or "",
        progress=progress,
        offer=offer_of(params),
        brought=params["brought"] or "",
    )
    if state.current is not None and not intact(state.current, state.before):
        clean_caches(job, warnings)
    built_wheels.receive(pkgs, target.packages, params["brought"] or "")
    try:
        done = builder.build(job, installer, tools)
    except DamagedCache:
        clean_caches(job, warnings)
        shutil.rmtree(job.prefix)
        done = builder.build(job, installer, tools)
    result["bytecode"] = {"compiled": done.compiled, "received": done.received}
    if done.problems:
        warnings.append(bytecode_delivery.warning(params["name"], done.problems))
    clobbered = clobbered_files.noted(job.prefix)
    if clobbered:
        warnings.append(clobbered_files.warning(params["name"], clobbered))
    package_cache.touch(params["root"], target.packages)
    return installer


def clean_caches(job: Job, warnings: list[str]) -> None:
    """Remove what is damaged of the packages in the caches, so that it is fetched again."""
    damages = cache_verification.damaged(job.pkgs, job.packages)
    cache_verification.remove(damages)
    if damages:
        warnings.append(
            "The package caches in %s were damaged; the damaged entries are fetched again: %s. Other environments with "
            "the same packages may be damaged too. To check them, set verify: files; "
            "on a user's machine, run evenkeel env sync --files." % (job.pkgs, "; ".join(map(str, damages)))
        )
