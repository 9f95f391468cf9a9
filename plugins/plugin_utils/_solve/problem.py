# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a solve is asked, and one answer to it for all of Ansible's workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, from_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.once import computed_once
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors


@dataclass(frozen=True)
class Problem:
    """What is asked; equal problems have equal answers within one run."""

    #: conda's match specifications.
    packages: tuple[str, ...]
    #: URLs, in order of priority.
    channels: tuple[str, ...]
    #: conda's name, such as ``linux-64``.
    platform: str
    #: Name and version.
    virtual_packages: tuple[tuple[str, str], ...]
    #: pip's requirements.
    pip: tuple[str, ...] = ()
    mirrors: Mirrors = field(default_factory=Mirrors)
    #: URL of the index for pip; empty for the one that uv is configured to ask.
    pip_index: str = ""
    #: pip's constraints.
    constraints: tuple[str, ...] = ()
    #: Each constraint, and the file and line that it stands in, for errors.
    constraint_places: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    #: URLs of the indexes that the environment names, asked in this order before ``pip_index``.
    indexes: tuple[str, ...] = ()
    #: URLs of pages and directories with links to wheels.
    find_links: tuple[str, ...] = ()
    #: Of pip's packages: ``NAME sha256:DIGITS``; a name that is among them must have one of its hashes.
    hashes: tuple[str, ...] = ()
    #: Names of the pip packages that may be built from their source; ``all`` for every one.
    buildable: tuple[str, ...] = ()
    #: Packages of an earlier answer that stay wherever they still fit.
    kept: tuple[Package, ...] = ()
    #: Whether the virtual packages are what a node has, and not what a lock assumes of nodes.
    seen_on_node: bool = False

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def solve_once(problem: Problem, run_directory: Path, solve: Callable[[Problem], Iterable[Package]]) -> list[Package]:
    """Return the answer to ``problem``; the first of Ansible's workers to ask computes it, the others wait for it.

    Parameters
    ----------
    problem
        What to solve.
    run_directory
        A directory that all workers of this run share and that goes with the run.
    solve
        The solver.
    """
    answer = run_directory / f"solve-{problem.key}.json"
    packages = computed_once(answer, lambda: [asdict(package) for package in solve(problem)])
    return [from_mapping(package) for package in packages]
