# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a wheel that was built is the one that was asked for, and runs on the nodes that the lock is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.compiled import Needs, needs_of_wheel
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.wheel_files import require_consistent

with optional():
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import Version


@dataclass(frozen=True)
class Result:
    """A wheel that was built and may be used."""

    version: str
    #: Whether it is the same on every platform.
    pure: bool


class UnsoundWheelError(EvenkeelError):
    """A file that is no wheel, or not the wheel that it says it is."""


def check(wheel: Path, release: SourceRelease, target: Target, *, by_the_locks_python: bool) -> Result:
    """Return what a wheel is.

    Parameters
    ----------
    wheel
        The file.
    release
        What it was built of.
    target
        Where it has to run.
    by_the_locks_python
        Whether the Python that built it is the environment's own, for the target's platform.

    Raises
    ------
    UnsoundWheelError
        It is not what it says it is.
    EvenkeelError
        It is of another release, or does not run there.
    """
    what = f"The wheel {wheel.name}, built of {release.url},"
    try:
        name, version, _unused, tags = parse_wheel_filename(wheel.name)
        needs = needs_of_wheel(wheel)
    except (InvalidWheelFilename, ValueError, OSError) as error:
        raise UnsoundWheelError(f"{what} can't be used: {error}", "Choose another release") from None
    if canonicalize_name(name) != release.name or (release.version and version != Version(release.version)):
        wanted = f"{release.name} {release.version}".strip()
        raise EvenkeelError(f"{what} is {name} {version}, not {wanted}", "Correct the requirement's name or version")
    try:
        require_consistent(wheel, name, str(version))
    except (ValueError, OSError) as error:
        raise UnsoundWheelError(
            f"{what} can't be used: {error}", "Choose another release, and report it to its authors"
        ) from None
    pure = not needs and all(tag.platform == "any" for tag in tags)
    if not pure and not by_the_locks_python:
        raise EvenkeelError(
            f"{what} is compiled, so it has to be built on Linux of the architecture {target.machine}",
            f"Name such a host of the inventory with lock_build_host, lock {target.platform} on such a control node, "
            "or choose a release that has a wheel for it",
        )
    if tags.isdisjoint(target.tags()):
        raise EvenkeelError(
            f"{what} does not run on Python {target.python} of {target.platform}", "Choose another release"
        )
    _check_needs(what, needs, target)
    return Result(str(version), pure)


def _check_needs(what: str, needs: dict[str, Needs], target: Target) -> None:
    for file, of_file in needs.items():
        if of_file.machine != target.machine:
            raise EvenkeelError(
                f"{what} has {file}, which is for {of_file.machine}, not for {target.machine}", "Choose another release"
            )
        if of_file.glibc > tuple(Version(target.glibc).release):
            newest = ".".join(map(str, of_file.glibc))
            raise EvenkeelError(
                f"{what} needs glibc {newest} ({file}), and the oldest of the lock's targets has {target.glibc}",
                "Build on a distribution that is as old as the oldest of the nodes, by naming such a host with "
                "lock_build_host, or leave the oldest out of lock_targets",
            )
