# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Conda's packages first, then pip's around them."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import pip_solver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import without_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import solve_with_rattler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.provided_by_conda import distributions


def resolve(problem: Problem) -> list[Package]:
    """Return the exact packages that ``problem`` asks for, conda's and then pip's, each sorted.

    Raises
    ------
    EvenkeelError
        A specification is malformed, a source of packages cannot be read, or nothing fits.
    """
    return with_pip(problem, solve_with_rattler(problem))


def with_pip(problem: Problem, of_conda: list[Package]) -> list[Package]:
    """Return ``of_conda`` and, around them, the pip packages that ``problem`` asks for.

    Raises
    ------
    EvenkeelError
        The index cannot be read, or nothing fits.
    """
    if not problem.pip:
        return of_conda
    python = next((package for package in of_conda if package.name == "python"), None)
    if python is None:
        raise EvenkeelError(
            f"pip's {', '.join(problem.pip)} need Python, and none of conda's packages is it",
            "Add python to the dependencies",
        )
    target = pip_solver.Target(
        python=python.version,
        platform=problem.platform,
        glibc=dict(problem.virtual_packages).get("__glibc", f"2.{pip_solver.GLIBCS[0]}"),
    )
    provided = distributions(of_conda, problem.mirrors)
    index = problem.mirrors.mirrored(problem.pip_index)
    of_pip = pip_solver.resolve(problem.pip, target, provided, index, problem.kept)
    return [*of_conda, *(replace(package, url=_public(package.url, problem)) for package in of_pip)]


def _public(url: str, problem: Problem) -> str:
    """Return the URL that belongs into a lock: the original one, without what the index asks of its users."""
    return problem.mirrors.original(without_credentials(url))
