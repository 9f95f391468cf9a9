# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Solve for conda's packages with py-rattler, the solver of pixi."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import CONDA, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_specs import parts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.rattler import (
    ask,
    isolated,
    package_from,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.unsolvable import unsolvable

if TYPE_CHECKING:
    from rattler import Gateway, GenericVirtualPackage, MatchSpec, RepoDataRecord, Subdir

PYTHON, PIP = "python", "pip"


def solve_with_rattler(problem: Problem) -> list[Package]:
    """Return conda's packages that ``problem`` asks for, sorted.

    Raises
    ------
    EvenkeelError
        A specification is malformed, a channel cannot be read, or nothing fits; the solver says why.
    """
    return isolated(lambda: _solve(problem), map(problem.mirrors.mirrored, problem.channels))


def _solve(problem: Problem) -> list[Package]:
    from rattler import ChannelPriority, Subdir, solve
    from rattler.exceptions import SolverError

    specs = [match_spec(text, problem.mirrors) for text in problem.packages]
    virtual_packages = [_virtual_package(name, version) for name, version in problem.virtual_packages]
    channels = [problem.mirrors.mirrored(channel) for channel in problem.channels]
    platforms = [Subdir(problem.platform), Subdir("noarch")]

    async def answer(gateway: Gateway) -> list[RepoDataRecord]:
        known = await _records(gateway, channels, platforms, problem)
        try:
            return await solve(
                sources=channels,
                specs=specs,
                gateway=gateway,
                platforms=platforms,
                locked_packages=known,
                virtual_packages=virtual_packages,
                channel_priority=ChannelPriority.Strict,
                add_pip_as_python_dependency=True,
            )
        except SolverError as error:
            raise await unsolvable(str(error), problem, specs, gateway, channels, platforms) from error

    records = ask(channels, answer)
    unhashed = sorted(record.file_name for record in records if record.sha256 is None)
    if unhashed:
        raise EvenkeelError(
            f"The index of {', '.join(channels)} has no SHA-256 for {', '.join(unhashed)}",
            "Choose a mirror with a complete index; packages without a hash can't be verified",
        )
    return sorted(_as_indexed(package_from(record, problem.mirrors)) for record in records)


async def _records(
    gateway: Gateway, channels: list[str], platforms: list[Subdir], problem: Problem
) -> list[RepoDataRecord]:
    """Return what the channels still have of conda's packages that stay."""
    kept = {package.url: package for package in problem.kept if package.manager == CONDA}
    if not kept:
        return []
    names = sorted({package.name for package in kept.values()})
    found = await gateway.query(channels, platforms, names, recursive=False)
    records = [
        record
        for of_channel in found
        for record in of_channel
        if kept.get(problem.mirrors.original(record.url)) == package_from(record, problem.mirrors)
    ]
    for record in records:
        if record.name.normalized == PYTHON:
            record.depends = [*record.depends, PIP]  # as the solver adds it to the channels' own
    return records


def _as_indexed(package: Package) -> Package:
    """Return Python without the need for pip, which the solver adds and no index has."""
    if package.name != PYTHON:
        return package
    return replace(package, depends=tuple(needed for needed in package.depends if needed != PIP))


def match_spec(text: str, mirrors: Mirrors) -> MatchSpec:
    """Return conda's match specification, whose channel, if it names one, is the one that is asked.

    Raises
    ------
    EvenkeelError
        The specification is malformed.
    """
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    spec = parts(text)
    try:
        return MatchSpec(replace(spec, channel=mirrors.mirrored(spec.channel)).text)
    except InvalidMatchSpecError as error:
        raise EvenkeelError(
            f"{text!r} is not a package specification: {str(error).splitlines()[0]}",
            "Write it like conda does, such as numpy>=2 or python=3.11; requirements of pip go below the key pip",
        ) from error


def _virtual_package(name: str, version: str) -> GenericVirtualPackage:
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version
    from rattler.exceptions import InvalidPackageNameError, InvalidVersionError

    try:
        return GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
    except (InvalidPackageNameError, InvalidVersionError) as error:
        raise EvenkeelError(
            f"The virtual package {name} {version} cannot be understood: {error}", "Write it like __glibc 2.36"
        ) from error
