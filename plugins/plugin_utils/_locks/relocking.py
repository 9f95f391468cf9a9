# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The lock that lock.yml writes for one environment: solved for all of its platforms, and nothing written yet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, environment_file, locking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.platforms import SUPPORTED, chosen, require_kept
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import source
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import Building, resolve
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.targets import virtual_packages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHosts, Host, checked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.builder import Policy, building
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.libraries import lacking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import DIRECTORY, Store, how_made

#: Options of the actions that lock, the same for each environment of a run.
OPTIONS: dict[str, dict[str, Any]] = {
    "platforms": {"type": "list", "elements": "str", "choices": list(SUPPORTED)},
    "targets": {"type": "list", "elements": "str", "default": []},
    "virtual_packages": {"type": "dict", "default": {}},
    "mirrors": {"type": "dict", "default": {}},
    "pip_index": {"type": "str", "default": ""},
    "pip_indexes": {"type": "list", "elements": "str", "default": []},
    "build": {"type": "list", "elements": "str", "default": []},
    "build_without_sandbox": {"type": "bool", "default": False},
    "build_host": {"type": "raw"},
    "build_timeout": {"type": "int", "default": 3600},
    "wheels": {"type": "path"},
    "wheels_url": {"type": "str", "default": ""},
}


@dataclass(frozen=True)
class Relocked:
    """What a lock becomes, and what there is to say about it."""

    environment: EnvironmentFile
    path: Path
    plan: locking.Plan
    warnings: tuple[str, ...]


def relocked(
    arguments: Mapping[str, Any],
    rehearsed: Path | None,
    known: Mapping[str, Any],
    connect: Callable[[str], Host],
) -> Relocked:
    """Return the lock of an environment, solved anew.

    Parameters
    ----------
    arguments
        ``OPTIONS``, and of the environment ``environment``, ``cuda``, ``update``, ``drop_platforms`` and
        ``accept_changed_hashes``, as the module conda_lock documents them.
    rehearsed
        Where a rehearsal keeps the wheels that it makes.
    known
        All hosts of the inventory by their names.
    connect
        Returns a builder host by its name.

    Raises
    ------
    EvenkeelError
        An option is wrong, or the environment can't be locked.
    """
    limits = _limits(arguments)
    named = checked(arguments["build_host"], known)
    environment = environment_file.read(Path(arguments["environment"]))
    path = lock_beside(environment.path)
    before = conda_lock.read(path) if path.exists() else None
    platforms = chosen(arguments["platforms"], environment, before)
    if not arguments["drop_platforms"]:
        require_kept(path, before, platforms)
    problems = locking.problems(
        environment,
        _assumed_by_the_solver(arguments, platforms),
        mirrors_from(arguments["mirrors"], "lock_mirrors"),
        arguments["pip_index"],
        before,
        arguments["update"],
        arguments["build"],
        arguments["pip_indexes"],
    )
    store = Store(Path(arguments["wheels"] or path.with_name(DIRECTORY)), rehearsed, _url_of_wheels(arguments))
    with contextlib.closing(BuildHosts(named, platforms, connect)) as hosts:
        policy = Policy(store, hosts, arguments["build_without_sandbox"], limits)
        solved = _solved(problems, partial(building, policy))
    warnings = [line for problem, found in solved.items() for line in lacking(problem, found)]
    answers = {problem: store.as_in_lock(found, path) for problem, found in solved.items()}
    built = how_made(package for found in solved.values() for package in found)
    accept = arguments["accept_changed_hashes"]
    plan = locking.plan(environment, answers, before, accept_changed_hashes=accept, built=built)
    return Relocked(environment, path, plan, (*warnings, *locking.unfit_builds_of(environment, plan.after)))


def _limits(arguments: Mapping[str, Any]) -> Limits:
    """Return what a build may take."""
    seconds: int = arguments["build_timeout"]
    if seconds < 1:
        raise EvenkeelError(f"lock_build_timeout is {seconds}", "Set it to a number of seconds")
    return Limits(seconds=seconds)


def _url_of_wheels(arguments: Mapping[str, Any]) -> str:
    """Return the URL at which nodes get built wheels; empty where the control node hands them over."""
    url: str = arguments["wheels_url"]
    if url and not arguments["wheels"]:
        raise EvenkeelError(
            f"lock_wheels_url is {url}, and lock_wheels is not set",
            "Set lock_wheels to the directory that is at that URL",
        )
    return source(url, "lock_wheels_url", "The task").rstrip("/") if url else ""


def _solved(problems: Iterable[Problem], building: Building) -> dict[Problem, list[Package]]:
    """Return the answers to the problems of all platforms, or what is wrong with all of them."""
    answers: dict[Problem, list[Package]] = {}
    failed: dict[str, EvenkeelError] = {}
    for problem in problems:
        try:
            answers[problem] = resolve(problem, building)
        except EvenkeelError as error:
            failed[problem.platform] = error
    if failed:
        raise _together(failed)
    return answers


def _together(failed: Mapping[str, EvenkeelError]) -> EvenkeelError:
    """Return the error of all platforms; what is wrong with several alike is one line."""
    platforms: dict[str, list[str]] = {}
    for platform, error in failed.items():
        platforms.setdefault(error.what.replace(platform, "{platform}"), []).append(platform)
    alike = {", ".join(found): failed[found[0]] for found in platforms.values()}
    *others, (last, error) = alike.items()
    lines = [f"{names}: {other!s}\n" for names, other in others]
    what = f"{last}: {error.what}" if len(failed) > 1 else error.what
    return EvenkeelError("".join([*lines, what]), error.remedy, **error.details)


def _assumed_by_the_solver(arguments: Mapping[str, Any], platforms: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the virtual packages of each platform, name to version."""
    overrides = arguments["virtual_packages"]
    for platform, of_platform in overrides.items():
        if platform not in SUPPORTED or not isinstance(of_platform, dict):
            raise EvenkeelError(
                f"lock_virtual_packages holds {platform!r}: {of_platform!r}",
                "Write a dictionary such as {__glibc: '2.36'} for each of the platforms that differs",
            )
    of_targets = virtual_packages(arguments["targets"], arguments["cuda"])
    return {
        platform: {name: str(version) for name, version in {**of_targets, **overrides.get(platform, {})}.items()}
        for platform in platforms
    }
