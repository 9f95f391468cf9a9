# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: compile the bytecode of a lock's packages once, for all nodes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.bytecode_plan import python_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_atomically
from ansible_collections.evenkeel.gpu.plugins.module_utils._wheels.sandbox import Limits
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import hashes, store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.compiler import (
    NowhereToCompileError,
    Policy,
    candidates,
    compile_packages,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode.hashes import Hashes, OfPlatform
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, sources
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.entries import require_fit_url
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import source
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import BuildHosts, checked
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.inventory_host import InventoryHost

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "environment": {"type": "path", "required": True},
    "require_lock": {"type": "bool", "default": False},
    "store": {"type": "path"},
    "store_url": {"type": "str", "default": ""},
    "mirrors": {"type": "dict", "default": {}},
    "pip_index": {"type": "str", "default": ""},
    "build_host": {"type": "raw"},
    "without_sandbox": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 3600},
}


class ActionModule(Action):
    """Read the lock and what was compiled of it, compile the rest, and write what changes."""

    _requires_connection = False

    def act(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        for option in ("environment", "store"):
            if arguments[option]:
                arguments[option] = str(given_paths.absolute(arguments[option], self._loader))
        try:
            return self._compile(arguments, task_vars)
        except EvenkeelError as error:
            raise EvenkeelError(_named(error.what), _named(error.remedy), **error.details) from error

    def _compile(self, arguments: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        environment = Path(arguments["environment"])
        lock_path = lock_beside(environment)
        if not lock_path.exists():
            if arguments["require_lock"]:
                raise EvenkeelError(f"{environment} has no lock", "Lock it with lock.yml first")
            return {
                "changed": False,
                "skipped": True,
                "msg": f"{environment} has no lock, so nothing is compiled for it",
            }
        path = hashes.beside(lock_path)
        if path is None:
            raise EvenkeelError(f"{lock_path} is no conda-lock.yml", "Lock its environment.yml with lock.yml")
        directory = Path(arguments["store"] or lock_path.with_name(store.DIRECTORY))
        where = _store_of(arguments, directory, path)
        lock = conda_lock.read(lock_path)
        before = hashes.read(path)
        policy = Policy(
            BuildHosts(
                checked(arguments["build_host"], task_vars.get("hostvars", {})),
                lock.packages,
                partial(InventoryHost, self, task_vars=task_vars),
            ),
            arguments["without_sandbox"],
            _limits(arguments),
        )
        platforms: dict[str, OfPlatform] = {}
        archives: list[bytes] = []
        warnings: list[str] = []
        with contextlib.closing(policy.hosts):
            for platform in sorted(lock.packages):
                known = _known(before, platform, lock.packages[platform], directory)
                try:
                    of_platform, made = self._of_platform(policy, arguments, lock, platform, known)
                except NowhereToCompileError as error:
                    warnings.append(f"{error}")
                    of_platform, made = known, []
                archives += made
                if of_platform and any(of_platform.archives.values()):
                    platforms[platform] = of_platform
        after = Hashes(where, platforms)
        changed = bool(archives) or (before != after and bool(before or platforms))
        superfluous = _superfluous(before, after, path) if changed and not arguments["store"] else []
        if not self._task.check_mode:
            store.remove_abandoned(directory)
        if changed and not self._task.check_mode:
            store.add(directory, archives)
            write_atomically(str(path), hashes.render(after))
            store.remove(directory, superfluous)
        lines = hashes.changes(before, after)
        result = {
            "changed": changed,
            "path": str(path),
            "compiled": len(archives),
            "packages": {platform: sum(map(bool, one.archives.values())) for platform, one in platforms.items()},
            **({"warnings": warnings} if warnings else {}),
        }
        diff = "".join(f"{line}\n" for line in lines or ([path.name] if changed else []))
        return {**result, "diff": {"prepared": diff}} if self._task.diff else result

    def _of_platform(
        self, policy: Policy, arguments: dict[str, Any], lock: Lock, platform: str, known: OfPlatform | None
    ) -> tuple[OfPlatform | None, list[bytes]]:
        """Return what there is of a platform afterwards, and the archives that were made."""
        given = {name: arguments[name] for name in ("environment", "mirrors", "pip_index")}
        packages = sources.load(given, platform, {}, Path(constants.DEFAULT_LOCAL_TMP)).packages
        python = next((one for one in packages if one.name == "python" and one.manager != "pip"), None)
        runs = python_of(packages)
        if python is None or runs is None:
            return None, []
        wanted = [package for package in candidates(packages) if not known or package.sha256 not in known.archives]
        if not wanted:
            return known, []
        glibc = (lock.virtual_packages or {}).get(platform, {}).get("__glibc", f"2.{pip_solver.GLIBCS[-1]}")
        target = Target(python=python.version, platform=platform, glibc=glibc)
        mirrors = mirrors_from(arguments["mirrors"])
        index = pip_solver.Question(requirements=(), target=target, index=mirrors.mirrored(arguments["pip_index"]))
        compiled = compile_packages(policy, target, packages, wanted, mirrors, pip_solver.places(index))
        made = {package: store.packed(files) for package, files in compiled.bytecode.items() if files}
        archives = {package.sha256: store.archive_of(made[package]) if package in made else None for package in wanted}
        names = {package.sha256: _name(package) for package in wanted}
        if known:
            archives, names = {**known.archives, **archives}, {**known.names, **names}
        return OfPlatform(python.sha256, runs.tag, compiled.magic, archives, names), list(made.values())


def _known(before: Hashes | None, platform: str, packages: Sequence[Package], directory: Path) -> OfPlatform | None:
    """Return what was compiled of a lock's packages by the same Python, and is still in the store."""
    found = before.platforms.get(platform) if before else None
    if found is None or not found.is_of(packages):
        return None
    listed = {package.sha256 for package in packages}
    archives = {
        package: archive
        for package, archive in found.archives.items()
        if package in listed and (archive is None or store.has(directory, archive))
    }
    names = {package: found.names[package] for package in archives}
    return OfPlatform(found.python, found.tag, found.magic, archives, names)


def _store_of(arguments: Mapping[str, Any], directory: Path, path: Path) -> str:
    """Return how the file of hashes names the store."""
    url: str = arguments["store_url"]
    if url and not arguments["store"]:
        raise EvenkeelError(
            f"compile_store_url is {url}, and compile_store is not set",
            "Set compile_store to the directory that is at that URL",
        )
    if url:
        name = source(url, "compile_store_url", "The task").rstrip("/")
        require_fit_url(path, name)
        return name
    return Path(os.path.relpath(directory, path.parent)).as_posix()


def _superfluous(before: Hashes | None, after: Hashes, path: Path) -> list[Any]:
    """Return the archives beside a lock that it alone has named, and names no more."""
    if before is None or before.store != after.store:
        return []
    kept = set(after.archives)
    for other in hashes.in_folder(path.parent):
        if other != path and (found := hashes.read(other)):
            kept |= set(found.archives)
    return [archive for sha256, archive in before.archives.items() if sha256 not in kept]


def _limits(arguments: Mapping[str, Any]) -> Limits:
    if arguments["timeout"] < 1:
        raise EvenkeelError(f"compile_timeout is {arguments['timeout']}", "Set it to a number of seconds")
    return Limits(seconds=arguments["timeout"])


def _name(package: Package) -> str:
    return package.stem.rstrip("-")


def _named(text: str) -> str:
    """Return a text of what wheels' builds share with this in the words of compile.yml."""
    return re.sub(r"\block_build_host\b", "compile_build_host", text)
