# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Conda's packages first, then pip's around them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.built_wheels import is_built
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_resolution, pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors, without_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_conflicts import named
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import solve_with_rattler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import (
    require_hashes,
    wheel_at_mirror,
)
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_solver import Target
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.provided_by_conda import distributions, extras
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import Build

with optional():
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name


class Building(Protocol):
    """Makes what builds wheels for one target."""

    def __call__(
        self, target: Target, of_conda: tuple[Package, ...], mirrors: Mirrors, places: Mapping[str, str]
    ) -> AbstractContextManager[Build]:
        """Return what is open as long as something is built.

        Parameters
        ----------
        target
            Where the wheels run.
        of_conda
            conda's packages of the environment, Python among them.
        mirrors
            Where these are.
        places
            uv's variables that say where build requirements come from.
        """


def resolve(problem: Problem, building: Building | None = None) -> list[Package]:
    """Return the exact packages that ``problem`` asks for, conda's and then pip's, each sorted.

    Parameters
    ----------
    problem
        What is asked.
    building
        As of ``with_pip``.

    Raises
    ------
    EvenkeelError
        A specification is malformed, a source of packages cannot be read, or nothing fits.
    """
    return with_pip(problem, solve_with_rattler(problem), building)


def with_pip(problem: Problem, of_conda: list[Package], building: Building | None = None) -> list[Package]:
    """Return ``of_conda`` and, around them, the pip packages that ``problem`` asks for.

    Parameters
    ----------
    problem, of_conda
        What is asked, and what conda's part of the answer is.
    building
        For the releases that ``problem.buildable`` allows; the URL of their packages is the path of the wheel. Without
        it nothing is built, and what would have to be is an error.

    Raises
    ------
    EvenkeelError
        The index cannot be read, nothing fits, or what would have to be built may not be, or can't.
    """
    if not problem.pip:
        return of_conda
    python = next((package for package in of_conda if package.name == "python"), None)
    if python is None:
        raise EvenkeelError(
            f"pip's {', '.join(problem.pip)} need Python, and none of conda's packages is it",
            "Add python to the dependencies",
        )
    target = Target(
        python=python.version,
        platform=problem.platform,
        glibc=dict(problem.virtual_packages).get("__glibc", f"2.{pip_solver.GLIBCS[0]}"),
    )
    mirrored = problem.mirrors.mirrored
    question = pip_solver.Question(
        requirements=tuple(wheel_at_mirror(text, problem.mirrors) for text in problem.pip),
        target=target,
        provided={
            name: pip_solver.Provided(version) for name, version in distributions(of_conda, problem.mirrors).items()
        },
        constraints=problem.constraints,
        index=mirrored(problem.pip_index),
        indexes=tuple(map(mirrored, problem.indexes)),
        find_links=tuple(map(mirrored, problem.find_links)),
        kept=problem.kept,
    )
    with contextlib.ExitStack() as stack:
        build = None
        if building:
            places = pip_solver.places(question)
            build = stack.enter_context(building(target, tuple(of_conda), problem.mirrors, places))
        with _constraints_placed(problem):
            of_pip = pip_resolution.resolve(
                question, lambda name: extras(name, of_conda, problem.mirrors), build, problem.buildable, problem.hashes
            )
    require_hashes((package for package in of_pip if not is_built(package)), problem.hashes)
    return [*of_conda, *(_public(package, problem) for package in of_pip)]


@contextlib.contextmanager
def _constraints_placed(problem: Problem) -> Iterator[None]:
    """Say in an error where the constraints stand on names that it is about."""
    try:
        yield
    except pip_resolution.Refusal as error:
        found = [
            f"{text} ({place})"
            for text, place in problem.constraint_places
            if named(canonicalize_name(Requirement(text).name), error.what)
        ]
        if not found:
            raise
        constraints = f"Constraints: {', '.join(dict.fromkeys(found))}"
        is_list = "\n" in error.what
        what = f"{error.what}{constraints}\n" if is_list else f"{error.what.rstrip('. ')}. {constraints}"
        raise EvenkeelError(what, error.remedy, **error.details) from None


def _public(package: Package, problem: Problem) -> Package:
    """Return a package with the URLs that belong into a lock: the original ones, without credentials."""
    original = problem.mirrors.original
    return replace(package, url=original(without_credentials(package.url)), index=original(package.index))
