# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Conda's packages first, then pip's around them."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils import _pip_resolver
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._channels import without_credentials
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._distributions import distributions
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solver import solve_with_rattler


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
    target = _pip_resolver.Target(
        python=python.version,
        platform=problem.platform,
        glibc=dict(problem.virtual_packages).get("__glibc", f"2.{_pip_resolver.GLIBCS[0]}"),
    )
    provided = distributions(of_conda, problem.mirrors)
    index = problem.mirrors.mirrored(problem.pip_index)
    of_pip = _pip_resolver.resolve(problem.pip, target, provided, index, problem.kept)
    return [*of_conda, *(replace(package, url=_public(package.url, problem)) for package in of_pip)]


def _public(url: str, problem: Problem) -> str:
    """Return the URL that belongs into a lock: the original one, without what the index asks of its users."""
    return problem.mirrors.original(without_credentials(url))
