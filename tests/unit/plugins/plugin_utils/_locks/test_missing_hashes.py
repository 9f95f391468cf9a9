# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.missing_hashes import complete
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.conda_solver import solve_with_rattler
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem

CANONICAL = "https://channel.example/main"
PATH = Path("explicit.txt")


@pytest.fixture
def known(make_channel: Callable[..., str], tmp_path: Path) -> tuple[Mirrors, tuple[Package, ...]]:
    """Return a mirror, and the two packages that are there."""
    channel = make_channel(
        [("hello", "1.0", "linux-64", ("world",)), ("world", "1.0", "noarch", ())], folder=tmp_path / "main"
    )
    mirrors = mirrors_from({CANONICAL: channel})
    return mirrors, tuple(solve_with_rattler(Problem(("hello",), (CANONICAL,), "linux-64", (), mirrors=mirrors)))


def test_the_channel_tells_what_the_md5_belongs_to(known: tuple[Mirrors, tuple[Package, ...]]) -> None:
    mirrors, packages = known
    by_md5 = [replace(package, sha256="", size=0) for package in packages]
    assert [vars(package) for package in complete(PATH, by_md5, "linux-64", mirrors)] == [
        vars(package) for package in packages
    ]


def test_what_has_a_sha256_is_not_asked_for() -> None:
    url = "http://127.0.0.1:9/main/noarch/a-1-0.conda"
    packages = (
        Package("a", "1", "0", "ab" * 32, url=url),
        Package("tool", "1", "", "", "pip", url=f"git+https://host.example/tool@{'5f' * 20}"),
    )
    assert complete(PATH, packages, "linux-64", Mirrors()) == packages


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"md5": "0a" * 16}, "hello-1.0-0.conda has the MD5 0a0a.*, and in its channel [0-9a-f]{32}"),
        ({"url": f"{CANONICAL}/linux-64/hello-2.0-0.conda"}, "is named by its MD5, and its channel lists no SHA-256"),
        ({"name": "other"}, "is named by its MD5, and its channel lists no SHA-256"),
    ],
)
def test_a_package_that_the_channel_does_not_confirm(
    known: tuple[Mirrors, tuple[Package, ...]], fields: dict[str, str], message: str
) -> None:
    mirrors, (hello, _) = known
    with pytest.raises(EvenkeelError, match=f"^{PATH}: .*{message}"):
        complete(PATH, [replace(hello, sha256="", **fields)], "linux-64", mirrors)
