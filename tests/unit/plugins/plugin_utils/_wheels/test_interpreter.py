# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import solve_with_rattler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.interpreter import linked, needed_by_python

ENTRIES = [
    ("python", "3.11.2", "linux-64", ("openssl >=3", "tzdata")),
    ("pip", "24.0", "noarch", ("python",)),
    ("openssl", "3.0.1", "linux-64", ("ca-certificates",)),
    ("ca-certificates", "2025.1", "noarch", ()),
    ("tzdata", "2025a", "noarch", ()),
    ("numpy", "2.0", "linux-64", ("python", "blas")),
    ("blas", "1.0", "linux-64", ()),
]
CHANNEL = "https://conda.example/main"
NEEDED = ["ca-certificates", "openssl", "python", "tzdata"]


@pytest.fixture(scope="module")
def locked(make_channel: Callable[..., str]) -> tuple[list[Package], Mirrors]:
    """Return the packages of an environment, and the mirror that has them."""
    mirrors = Mirrors(((CHANNEL, make_channel(ENTRIES)),))
    return solve_with_rattler(Problem(("python", "numpy"), (CHANNEL,), "linux-64", (), mirrors=mirrors)), mirrors


def test_python_needs_what_it_depends_on_and_not_pip(locked: tuple[list[Package], Mirrors]) -> None:
    assert [package.name for package in needed_by_python(locked[0])] == NEEDED


def test_python_is_linked_from_the_mirror_of_its_channel(locked: tuple[list[Package], Mirrors], tmp_path: Path) -> None:
    found = linked(*locked, tmp_path / "python", "linux-64")
    assert (found.program, found.of_lock) == (tmp_path / "python" / "bin" / "python", True)
    assert found.version == next(package.version for package in locked[0] if package.name == "python")
    records = sorted(path.name.rsplit("-", 2)[0] for path in (found.prefix / "conda-meta").glob("*.json"))
    assert records == NEEDED


def test_a_package_that_is_not_the_locks_is_refused(locked: tuple[list[Package], Mirrors], tmp_path: Path) -> None:
    packages = [replace(package, sha256="ab" * 32) if package.name == "openssl" else package for package in locked[0]]
    with pytest.raises(EvenkeelError, match=f"openssl at .* has the SHA-256 .*, not {'ab' * 32}"):
        linked(packages, locked[1], tmp_path / "python", "linux-64")


def test_a_package_that_the_channel_lost_is_named(locked: tuple[list[Package], Mirrors], tmp_path: Path) -> None:
    gone = Mirrors(((CHANNEL, (tmp_path / "gone").as_uri()),))
    with pytest.raises(
        EvenkeelError, match=r"ca-certificates can't be read from .*/gone/noarch/ca-certificates-2025\.1"
    ):
        linked(locked[0], gone, tmp_path / "python", "linux-64")
