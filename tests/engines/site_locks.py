# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments with locks, solved with the mirror's packages as lock.yml solves them."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks import conda_lock, environment_file, locking
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.places import lock_beside
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ANACONDA, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.resolver import resolve

from lab.upstream import mirror

CHANNEL = f"{ANACONDA}/pkgs/main"
#: What the solver assumes of nodes, as old as the oldest of the places where the environment is built.
NODES = {"linux-64": {"__glibc": "2.36", "__linux": "5.10"}}


def written(path: Path, *dependencies: str) -> Path:
    """Write an environment with a package of pip and a variable, and return its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"channels: [{CHANNEL}]", "dependencies:", *(f"  - {one}" for one in dependencies)]
    lines += ["  - pip: [humanize]", "variables: {OMP_NUM_THREADS: '8'}", ""]
    path.write_text("\n".join(lines))
    return path


def locked(environment: Path) -> Path:
    """Lock an environment, and return its lock."""
    asked, lock = environment_file.read(environment), lock_beside(environment)
    before = conda_lock.read(lock) if lock.exists() else None
    mirrors = mirrors_from({ANACONDA: f"{mirror.url()}/anaconda"})
    problems = locking.problems(asked, NODES, mirrors, f"{mirror.url()}/pypi/simple/", before, None)
    locking.apply(locking.plan(asked, {problem: resolve(problem) for problem in problems}, before))
    return lock
