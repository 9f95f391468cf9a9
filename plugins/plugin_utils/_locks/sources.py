# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What an environment is made from, by any kind of source, as exact packages."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, Package, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import (
    conda_lock,
    environment_file,
    explicit_file,
    pixi_lock,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import packages_for
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import require_built
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.freshness import require_fresh
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.missing_hashes import complete
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import absolute, environment_named, lock_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.unindexed import by_name
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import channel_urls, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_specs import channels_of
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem, solve_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.silent_channels import require_answers
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import on_control_node

#: The options of which exactly one names the source.
SOURCES = ("environment", "lock", "explicit", "packages")
#: Those that are files.
FILES = ("environment", "lock", "explicit")


@dataclass(frozen=True)
class Resolved:
    """The exact packages of one environment on one platform."""

    #: conda's first, each kind by name.
    packages: tuple[Package, ...]
    #: What activation sets, name to value.
    variables: dict[str, str] = field(default_factory=dict)
    #: As of ``request_of``.
    request: dict[str, Any] | None = None


def located(environment: Mapping[str, Any], directory: str, channels: Sequence[str] = ()) -> dict[str, Any]:
    """Return an entry of the role's list of environments with its source as the module takes it.

    Parameters
    ----------
    environment
        ``name``, options of the module, and at most one source. One without a source has the file of its name; one
        that is absent needs none.
    directory
        Of files that are not absolute paths; itself below the working directory, where it is relative.
    channels
        Of an environment with packages and no channels. Others have theirs in their files.

    Raises
    ------
    EvenkeelError
        It has no source, and there are several files of its name.
    """
    place = absolute(directory, Path.cwd())
    found = {key: value for key, value in environment.items() if key != "channels"}
    if not found.keys() & set(SOURCES) and found.get("state") != "absent":
        found["environment"] = environment_named(place, str(environment["name"]))
    found.update({key: str(place / found[key]) for key in FILES if key in found})
    if "packages" in found:
        found["channels"] = environment.get("channels", channels)
    return found


def needs_directory(environment: Mapping[str, Any]) -> bool:
    """Whether ``located`` looks for the source of an entry below the directory."""
    if not environment.keys() & set(SOURCES):
        return True
    return any(not os.path.isabs(environment[key]) for key in FILES if key in environment)


def request_of(arguments: Mapping[str, Any], platform: str = "") -> dict[str, Any] | None:
    """Return the fingerprint of what has to be solved; None when a lock or an explicit file has it exactly.

    An environment whose generation in use carries the same request needs no new solve. Reads files, asks no network.

    Parameters
    ----------
    arguments
        The task's options: ``environment``, ``lock`` or ``explicit`` (paths that exist as they are written here), or
        ``packages`` and ``channels``.
    platform
        conda's name, such as ``linux-64``; without it, what any platform needs is part of the request.

    Returns
    -------
    dict or None
        ``packages`` and ``pip`` (sorted lists of specifications) and ``channels`` (canonical URLs, by priority).

    Raises
    ------
    EvenkeelError
        Not exactly one source, or one that is malformed.
    """
    source = _source(arguments)
    if source == "packages":
        return _asked(arguments)
    if source == "environment":
        environment = environment_file.read(Path(arguments[source]))
        return None if lock_beside(environment.path).exists() else environment.on(platform).request
    return None


def variables_of(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return what activation sets, name to value, by an ``environment.yml`` that has to be solved or was before."""
    source = _source(arguments)
    return dict(environment_file.read(Path(arguments[source])).variables) if source == "environment" else {}


def load(
    arguments: Mapping[str, Any], platform: str, virtual_packages: Mapping[str, str], run_directory: Path
) -> Resolved:
    """Return what the source of ``arguments`` holds for one platform, solved where it is not locked.

    Equal files are read and equal questions are solved once in a run, whichever of Ansible's workers asks.

    Parameters
    ----------
    arguments
        As of ``request_of``; besides ``mirrors`` (URL prefix to URL prefix), ``pip_index`` (URL) and ``pip_indexes``
        (URLs, for what has no lock).
    platform
        conda's name, such as ``linux-64``.
    virtual_packages
        Name to version, such as ``{"__glibc": "2.36"}``; counts only where something is solved.
    run_directory
        A directory that all workers of this run share and that goes with the run.

    Raises
    ------
    EvenkeelError
        The source is malformed, stale or for other platforms only, or cannot be solved.
    """
    mirrors = mirrors_from(arguments.get("mirrors"))
    asked = request_of(arguments, platform)
    if asked is None:
        path, packages, variables = written(arguments, platform, run_directory)
        if any(package.manager == CONDA and not package.sha256 for package in packages):
            question = [str(path), _as_dicts(packages), platform, asdict(mirrors)]
            found = _once(
                run_directory, "hashed", question, lambda: _as_dicts(complete(path, packages, platform, mirrors))
            )
            packages = tuple(map(from_mapping, found))
        return Resolved(by_name(on_control_node(packages, path), arguments.get("pip_index") or ""), variables)
    problem = Problem(
        packages=tuple(asked["packages"]),
        channels=tuple(asked["channels"]),
        platform=platform,
        virtual_packages=tuple(sorted(virtual_packages.items())),
        pip=tuple(asked["pip"]),
        constraints=tuple(asked.get("constraints", ())),
        indexes=tuple(dict.fromkeys((*asked.get("indexes", ()), *_list(arguments.get("pip_indexes"))))),
        find_links=tuple(asked.get("find_links", ())),
        hashes=tuple(asked.get("hashes", ())),
        mirrors=mirrors,
        pip_index=arguments.get("pip_index") or "",
        seen_on_node=True,
    )
    if patience.asks_once():
        asked_at = [mirrors.mirrored(channel) for channel in problem.channels]
        _once(run_directory, "answers", asked_at, lambda: require_answers(asked_at))
    return Resolved(tuple(solve_once(problem, run_directory, resolve)), variables_of(arguments), asked)


def written(
    arguments: Mapping[str, Any], platform: str, run_directory: Path
) -> tuple[Path, tuple[Package, ...], dict[str, str]]:
    """Return the file that has the exact packages, those for one platform, and what activation sets.

    Only for a source that ``request_of`` has no request for. Asks no network; packages may lack their SHA-256.

    Parameters
    ----------
    arguments, platform, run_directory
        As of ``load``.

    Raises
    ------
    EvenkeelError
        The file is malformed, stale or for other platforms only.
    """
    source = _source(arguments)
    path = Path(arguments[source])
    files = [path, lock_beside(path)] if source == "environment" else [path]
    of_pixi = arguments.get("pixi_environment")

    def read() -> list[Any]:
        lock, packages, variables = _read(source, path, platform, of_pixi)
        require_built(lock, packages)
        return [str(lock), _as_dicts(packages), variables]

    question = [source, platform, of_pixi, [[str(file), read_text(file)] for file in files]]
    lock, packages, variables = _once(run_directory, "written", question, read)
    return Path(lock), tuple(map(from_mapping, packages)), variables


def _read(
    source: str, path: Path, platform: str, of_pixi: str | None
) -> tuple[Path, tuple[Package, ...], dict[str, str]]:
    if source == "explicit":
        return path, explicit_file.read(path, platform), {}
    if _is_pixis(source, path):
        return path, pixi_lock.read(path, platform, of_pixi or pixi_lock.DEFAULT), {}
    if source == "lock":
        lock = conda_lock.read(path)
        return path, packages_for(lock, platform, path), dict(lock.variables)
    environment = environment_file.read(path)
    beside = lock_beside(path)
    lock = conda_lock.read(beside)
    require_fresh(environment, lock, beside, platform)
    return beside, packages_for(lock, platform, beside), dict(environment.variables)


def _is_pixis(source: str, path: Path) -> bool:
    return source == "lock" and path.suffix == ".lock"


def _once(run_directory: Path, kind: str, question: Any, answer: Callable[[], Any]) -> Any:
    """Return what ``answer`` returns, or has returned to another worker of this run with the same question."""
    key = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    return computed_once(run_directory / f"{kind}-{key}.json", answer)


def _as_dicts(packages: Iterable[Package]) -> list[dict[str, Any]]:
    return [asdict(package) for package in packages]


def _source(arguments: Mapping[str, Any]) -> str:
    given = [name for name in SOURCES if arguments.get(name) is not None]
    if len(given) != 1:
        raise EvenkeelError(
            f"The environment has {' and '.join(given) or 'no source'}", f"Set exactly one of {', '.join(SOURCES)}"
        )
    source = given[0]
    if arguments.get("pixi_environment") is not None and not _is_pixis(source, Path(str(arguments[source]))):
        raise EvenkeelError(
            f"pixi_environment is set for {source}, which is no pixi.lock", "Remove pixi_environment, or set lock"
        )
    return source


def _asked(arguments: Mapping[str, Any]) -> dict[str, list[str]]:
    packages, channels = (_list(arguments.get(name)) for name in ("packages", "channels"))
    urls = channel_urls(channels)
    if not urls:
        raise EvenkeelError("packages are given, and no channels", "Set channels, such as conda-forge")
    channels = list(dict.fromkeys((*urls, *channels_of(packages))))
    return {"packages": sorted(packages), "channels": channels, "pip": []}


def _list(option: Any) -> list[str]:
    """Return an option as Ansible understands a list, before a module has looked at it."""
    return [part.strip() for part in option.split(",")] if isinstance(option, str) else list(option or [])
