# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
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


def test_the_channel_has_the_hash_of_what_is_named_without_one(known: tuple[Mirrors, tuple[Package, ...]]) -> None:
    mirrors, packages = known
    bare = [replace(package, sha256="", md5="", size=0, depends=()) for package in packages]
    assert complete(PATH, bare, "linux-64", mirrors) == packages


def test_an_older_archive_becomes_the_newer_that_its_channel_lists_in_its_place(tmp_path: Path) -> None:
    fields = {"name": "tool", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
    newer = {**fields, "sha256": "1a" * 32, "md5": "2b" * 16, "legacy_bz2_md5": "3c" * 16}
    older = {**fields, "sha256": "4d" * 32, "md5": "3c" * 16}
    only = {**older, "name": "only"}
    for subdir, old, new in (
        ("linux-64", {"tool-1.0-0.tar.bz2": older, "only-1.0-0.tar.bz2": only}, {"tool-1.0-0.conda": newer}),
        ("noarch", {}, {}),
    ):
        (tmp_path / subdir).mkdir()
        index = {"info": {"subdir": subdir}, "packages": old, "packages.conda": new}
        (tmp_path / subdir / "repodata.json").write_text(json.dumps(index))
    mirrors = mirrors_from({CANONICAL: tmp_path.as_uri()})

    def completed(name: str, md5: str) -> tuple[str, str]:
        url = f"{CANONICAL}/linux-64/{name}-1.0-0.tar.bz2"
        (package,) = complete(PATH, [Package(name, "1.0", "0", "", url=url, md5=md5)], "linux-64", mirrors)
        return package.url.rpartition("/")[2], package.sha256

    assert completed("tool", "") == completed("tool", "3c" * 16) == ("tool-1.0-0.conda", "1a" * 32)
    assert completed("only", "") == completed("only", "3c" * 16) == ("only-1.0-0.tar.bz2", "4d" * 32)
    with pytest.raises(
        EvenkeelError, match=f"tool-1.0-0.tar.bz2 has the MD5 {'5e' * 16}, and in its channel {'3c' * 16}"
    ):
        completed("tool", "5e" * 16)


def test_all_packages_that_the_channel_does_not_confirm_are_reported(
    known: tuple[Mirrors, tuple[Package, ...]],
) -> None:
    mirrors, packages = known
    changed = [replace(package, sha256="", md5="0a" * 16) for package in packages]
    gone = [replace(one, sha256="", md5="", url=one.url.replace("1.0", "9.0")) for one in packages]
    for wrong in (changed, gone):
        with pytest.raises(EvenkeelError, match=r"/hello-.*/world-"):
            complete(PATH, wrong, "linux-64", mirrors)


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
        (
            {"url": f"{CANONICAL}/linux-64/hello-2.0-0.conda"},
            r"list none either: .*/hello-2.0-0.conda \(named by its MD5",
        ),
        (
            {"url": f"{CANONICAL}/linux-64/hello-2.0-0.conda", "md5": ""},
            "list none either: .*/hello-2.0-0.conda. In the ",
        ),
        (
            {"name": "other"},
            r"list none either: .*/hello-1.0-0.conda \(named by its MD5\). .* > explicit.txt; or lock a",
        ),
    ],
)
def test_a_package_that_the_channel_does_not_confirm(
    known: tuple[Mirrors, tuple[Package, ...]], fields: dict[str, str], message: str
) -> None:
    mirrors, (hello, _) = known
    with pytest.raises(EvenkeelError, match=f"^{PATH}.*{message}"):
        complete(PATH, [replace(hello, sha256="", **fields)], "linux-64", mirrors)
