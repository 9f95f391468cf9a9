# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Lock an environment.yml: solve it for each platform, and write down the answers beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, way_out
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import write_all_atomically
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, explicit_file, lock_changes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.environment_file import EnvironmentFile
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.missing_hashes import complete
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import (
    explicit_beside,
    lock_beside,
    lock_env,
    require_own_lock,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import match_spec
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.gpu_builds import cpu_builds, too_new
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

with optional():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Plan:
    """The files of a lock as they must be; None for one that must go."""

    files: Mapping[Path, str | None]
    before: Lock | None
    after: Lock

    @property
    def changed(self) -> dict[Path, str | None]:
        """The files that are not yet as they must be."""
        return {path: text for path, text in self.files.items() if text != _text(path)}

    @property
    def diff(self) -> str:
        """What changes, one line each; the names of files where only their form does."""
        lines = lock_changes.lines(self.before, self.after)
        if not lines and self.changed:
            lines = [path.name for path in self.changed]
        return "".join(f"{line}\n" for line in lines)


def problems(
    environment: EnvironmentFile,
    virtual_packages: Mapping[str, Mapping[str, str]],
    mirrors: Mirrors,
    pip_index: str,
    before: Lock | None,
    update: Collection[str] | None,
    buildable: Iterable[str] = (),
    indexes: Iterable[str] = (),
) -> list[Problem]:
    """Return what has to be solved, one problem for each platform.

    Parameters
    ----------
    environment
        What is asked.
    virtual_packages
        By platform, name to version.
    mirrors, pip_index
        Where to get what the environment asks for.
    before
        The lock that is there.
    update
        Names of packages that may move; all others stay wherever they still fit. None to solve everything anew.
    buildable
        Names of pip packages that may be built from their source; ``all`` for every one.
    indexes
        URLs of package indexes, asked in this order after the environment's own and before ``pip_index``.

    Raises
    ------
    EvenkeelError
        A name is neither in the lock nor in the environment, there is no lock to update, or another environment would
        have the same lock.
    """
    require_own_lock(environment.path)
    lock = lock_beside(environment.path)
    moving = {canonicalize_name(name) for name in update or () if name.strip()}
    if update is not None and before is None:
        raise EvenkeelError(f"{lock} is not there, so nothing in it can be updated", "Lock without lock_update first")
    if before and moving:
        known = {canonicalize_name(package.name) for found in before.packages.values() for package in found}
        unknown = moving - known - _asked_for(environment)
        if unknown:
            raise EvenkeelError(
                f"lock_update names {', '.join(sorted(unknown))}, and {lock} has no such package",
                "Write the name as it is in the lock, or leave lock_update out",
            )
    kept: dict[str, tuple[Package, ...]] = {}
    if before and update is not None:
        kept = {
            platform: complete(lock, _staying(found, moving), platform, mirrors)
            for platform, found in before.packages.items()
            if platform in virtual_packages
        }
    return [
        Problem(
            packages=asked.packages,
            channels=tuple(dict.fromkeys(map(mirrors.original, asked.channels))),
            platform=platform,
            virtual_packages=tuple(sorted(of_platform.items())),
            pip=asked.pip,
            mirrors=mirrors,
            pip_index=pip_index,
            constraints=asked.constraints,
            constraint_places=asked.constraint_places,
            indexes=tuple(dict.fromkeys((*asked.indexes, *indexes))),
            find_links=asked.find_links,
            hashes=asked.hashes,
            buildable=tuple(sorted(buildable)),
            kept=kept.get(platform, ()),
        )
        for platform, of_platform in sorted(virtual_packages.items())
        for asked in [environment.on(platform)]
    ]


def plan(
    environment: EnvironmentFile,
    answers: Mapping[Problem, Iterable[Package]],
    before: Lock | None,
    *,
    accept_changed_hashes: bool = False,
    built: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """Return the files for the ``answers``.

    Parameters
    ----------
    environment, answers, before
        What was asked, the packages that answer it, and the lock that is there.
    accept_changed_hashes
        Whether that is not an error.
    built
        How wheels were made that were built for the answers, by their SHA-256.

    Raises
    ------
    EvenkeelError
        An archive that is locked already comes with another hash, and that is not to be accepted.
    """
    asked = {problem.platform: dict(problem.virtual_packages) for problem in answers}
    after = Lock(
        channels=tuple(dict.fromkeys(channel for problem in answers for channel in problem.channels)),
        sources=(environment.path.name,),
        packages={problem.platform: tuple(packages) for problem, packages in answers.items()},
        content_hash={
            platform: conda_lock.content_hash(environment, platform, versions) for platform, versions in asked.items()
        },
        virtual_packages=asked,
        variables=environment.variables,
        built=built or {},
    )
    lock = lock_beside(environment.path)
    if before and not accept_changed_hashes:
        _refuse_changed_hashes(lock, before, after)
    files: dict[Path, str | None] = {
        explicit_beside(lock, platform): explicit_file.render(platform, packages)
        for platform, packages in after.packages.items()
    }
    if before and before.virtual_packages is not None:
        gone = before.packages.keys() - after.packages.keys()
        files |= {explicit_beside(lock, platform): None for platform in gone}
    files[lock] = conda_lock.render(after, lock_env(environment.path))
    return Plan(files, before, after)


def unfit_builds_of(environment: EnvironmentFile, lock: Lock) -> list[str]:
    """Return a sentence for each framework that is a build for CPUs, or for a CUDA that the nodes do not support."""
    platforms: dict[str, list[str]] = {}
    for platform, packages in sorted(lock.packages.items()):
        if lock.cuda(platform):
            asked = environment.on(platform)
            cuda = lock.cuda(platform)
            for line in (*cpu_builds(packages, (*asked.packages, *asked.pip)), *too_new(packages, cuda)):
                platforms.setdefault(line, []).append(platform)
    return [f"{lock_env(environment.path)} on {', '.join(found)}: {line}." for line, found in platforms.items()]


def apply(plan: Plan, first: Mapping[Path, str] | None = None) -> None:
    """Write what changes: the lock last, and nothing before the disk has all of it.

    Parameters
    ----------
    plan
        The files of the lock.
    first
        What else is to be written with them, such as the environment that they are of.

    Raises
    ------
    EvenkeelError
        Their folder is full or can't be written to.
    """
    changed = plan.changed
    folder = next(iter(plan.files)).parent
    texts = {**(first or {}), **{path: text for path, text in changed.items() if text is not None}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_all_atomically((str(path), text) for path, text in texts.items())
        for path in changed.keys() - texts.keys():
            path.unlink()
    except OSError as error:
        raise EvenkeelError(
            f"The lock can't be written to {folder}: {error.strerror}",
            f"{way_out(error, str(folder))}, then run again",
        ) from error


def changed_hashes(before: Lock, after: Lock) -> list[str]:
    """Return what archives that both locks hold come with another hash, each with both hashes; pure."""
    found: dict[str, str] = {}
    for platform in sorted(before.packages.keys() & after.packages.keys()):
        known = {_archive(package): package for package in before.packages[platform]}
        for package in after.packages[platform]:
            was = known.get(_archive(package))
            for kind in ("sha256", "md5"):
                then, now = getattr(was, kind, ""), getattr(package, kind)
                if then and now and then != now:
                    name = f"{package.name} {package.version} {package.build}".strip()
                    text = f"{name} ({_archive(package)}) had the {kind} {then} and has {now} now"
                    found.setdefault(_archive(package), text)
    return list(found.values())


def _archive(package: Package) -> str:
    """Return what names an archive wherever it is: its platform, name, version and build, or a wheel's tags.

    The folder of a wheel that was built is named by what it was made from, so it counts too.
    """
    parts = package.url.rsplit("/", 2)
    if is_built(package):
        return "/".join(parts[1:])
    return "/".join(parts[1:]) if package.manager == CONDA else parts[-1]


def _refuse_changed_hashes(path: Path, before: Lock, after: Lock) -> None:
    changed = changed_hashes(before, after)
    if not changed:
        return
    archives = {
        _archive(package): path.parent / package.url
        for packages in after.packages.values()
        for package in packages
        if is_built(package)
    }
    built = [wheel.parent for archive, wheel in archives.items() if any(f"({archive})" in line for line in changed)]
    remedies = []
    if built:
        folders = ", ".join(map(str, built))
        remedies.append(
            f"A wheel in the store differs from the one that was locked. Restore {folders} from version control, or "
            "remove it and lock again with lock_accept_changed_hashes: true"
        )
    if len(built) < len(changed):
        remedies.append(
            "A published package does not change, so somebody may have replaced it. Try another mirror. If you know "
            "why it changed, set lock_accept_changed_hashes: true"
        )
    raise EvenkeelError(f"{path}: {'; '.join(changed)}", ". ".join(remedies))


def _staying(packages: Iterable[Package], moving: Collection[str]) -> list[Package]:
    return [package for package in packages if canonicalize_name(package.name) not in moving]


def _asked_for(environment: EnvironmentFile) -> set[str]:
    of_conda = {match_spec(text, Mirrors()).name.normalized for text in environment.packages}
    return {canonicalize_name(name) for name in of_conda | {Requirement(text).name for text in environment.pip}}


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    except OSError as error:
        raise from_os(error, str(path)) from error
