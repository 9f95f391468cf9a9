# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Build a lock's environment on the machine of a user, with the code that builds it on nodes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_environment, environment
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import file_of, is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import ROOT
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import link_atomically
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import delivery
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local import tools
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.locked import Locked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.places import Place
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.shared_cache import shared
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._local.sources import Sources
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import origin
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.store import require_files


@dataclass(frozen=True)
class Policy:
    """How it is built."""

    #: How many generations to keep.
    keep: int = 3
    #: Seconds to wait for another run.
    wait: int = 1800
    #: Whether each file is hashed, too.
    files: bool = False


def sync(
    locked: Locked, place: Place, sources: Sources, policy: Policy, shown: AbstractContextManager[object]
) -> dict[str, Any]:
    """Bring the environment to what the lock says; return what the module conda_environment returns.

    Parameters
    ----------
    shown
        Shows the progress meanwhile.
    """
    packages = [
        asdict(replace(package, url=file_of(package)) if is_built(package) else package) for package in locked.packages
    ]
    compiled = delivery.compiled(
        {"lock": str(locked.lock), "mirrors": sources.mirrors}, locked.platform, locked.packages
    )
    with (
        shown,
        tools.found(pip=any(package.manager == PIP for package in locked.packages)) as (installer, used),
        work_folder.made("files") as folder,
    ):
        params = {
            **_of_module(place, policy),
            "resolved": packages,
            "variables": dict(locked.variables),
            "mirrors": dict(sources.mirrors),
            "pip_index": sources.pip_index,
            "bytecode": asdict(compiled.offer) if compiled else None,
            "installer": installer,
            "conda": used.conda,
            "python": used.python,
            "runtime": used.runtime,
            "verify": "files" if policy.files else "metadata",
            "origin": {ROOT: place.root},
        }
        builds = policy.files or _builds(params)
        if builds:
            made_from = {"lock": str(locked.lock), "mirrors": sources.mirrors, "pip_index": sources.pip_index}
            params["origin"] = {**params["origin"], **origin.of_environment(made_from, locked.packages, Path(folder))}
        with shared(place, policy.wait) if builds else nullcontext():
            result = conda_environment.converge(params, False)
            wanted = result.pop("wanted", ())
            if wanted:
                wheels = {file_of(one): Path(one.url) for one in locked.packages if is_built(one)}
                lacking = [wheels[name] for name in wanted if name in wheels]
                require_files(lacking)
                for wheel in lacking:
                    os.symlink(wheel.absolute(), os.path.join(folder, wheel.name))
                archives = [name for name in wanted if name not in wheels]
                if compiled and archives:
                    shutil.move(compiled.bundle(archives, Path(folder)), folder)
                result = conda_environment.converge({**params, "brought": folder}, False)
    return {**result, "changed": _linked(place) or result["changed"]}


def _builds(params: dict[str, Any]) -> bool:
    _state, plan = conda_environment.decide(params, conda_environment.desired_by(params))
    return plan.build


def roll_back(place: Place, generation: str, policy: Policy) -> dict[str, Any]:
    """Have the environment be one of its generations again.

    Raises
    ------
    EvenkeelError
        It has no such generation.
    """
    if not environment.read(place.root, place.name).generations:
        raise EvenkeelError(
            "There are no builds of the environment %s" % place.prefix, "Build it with evenkeel env sync first"
        )
    result = conda_environment.converge({**_of_module(place, policy), "generation": generation}, False)
    return {**result, "changed": _linked(place) or result["changed"]}


def _of_module(place: Place, policy: Policy) -> dict[str, Any]:
    """Return the module's options as it would have them."""
    specification: Mapping[str, Mapping[str, Any]] = {
        **conda_environment.ARGUMENT_SPEC,
        **conda_environment.FROM_ACTION,
    }
    defaults = {name: about.get("default") for name, about in specification.items()}
    return {**defaults, "root": place.root, "name": place.name, "keep": policy.keep, "lock_timeout": policy.wait}


def _linked(place: Place) -> bool:
    """Have the prefix lead to the environment; return whether it did not."""
    if place.prefix == place.link or os.path.lexists(place.prefix):
        return False
    link_atomically(place.prefix, os.path.relpath(place.link, os.path.dirname(place.prefix)))
    return True
