# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import (
    PIP,
    Package,
    changes,
    digest,
    from_mapping,
    in_order,
)

MIRROR = "https://mirror.example/pkgs/main/linux-64"
COMMIT = "git+https://git.example/tools@" + "ab" * 20


def conda(name: str, version: str = "1.0", build: str = "0", sha256: str = "ab" * 32) -> Package:
    return Package(name, version, build, sha256, url=f"{MIRROR}/{name}-{version}-{build}.conda")


def pip(name: str, version: str = "1.0", sha256: str = "cd" * 32, url: str = "") -> Package:
    return Package(name, version, "", sha256, PIP, url)


PYTHON, NUMPY, NEWER = conda("python", "3.11.2", "1_cpython"), conda("numpy", "2.3.1"), conda("numpy", "2.4.0")
PACKAGES = (NUMPY, PYTHON, pip("einops", "0.8.1"))


def test_what_mirrors_and_locks_say_differently_makes_no_other_package() -> None:
    other = replace(NUMPY, url="https://other.example/numpy.conda", md5="ef" * 16, size=7, depends=("python",))
    assert other == NUMPY
    assert {other: 1}[NUMPY]
    assert replace(NUMPY, sha256="ef" * 32) != NUMPY


# from_mapping


@pytest.mark.parametrize(
    ("fields", "package"),
    [
        ({"name": "six", "version": "1", "build": "py_0"}, Package("six", "1", "py_0", "")),
        (
            {"name": "six", "version": "1", "build": "py_0", "sha256": None, "url": None, "md5": None, "size": None},
            Package("six", "1", "py_0", ""),
        ),
        (
            {"name": "six", "version": "1", "build": "py_0", "sha256": "ab", "depends": ["python"], "files": ["bin/x"]},
            Package("six", "1", "py_0", "ab", depends=("python",)),
        ),
        (
            {"name": "six", "version": "1", "build": "left out", "sha256": "ab", "manager": "pip"},
            Package("six", "1", "", "ab", PIP),
        ),
        ({"name": "six", "version": "1", "manager": "pip", "url": COMMIT}, Package("six", "1", "", "", PIP, COMMIT)),
    ],
    ids=["least", "null", "record", "pip", "commit"],
)
def test_from_mapping(fields: dict[str, object], package: Package) -> None:
    found = from_mapping(fields)
    assert found == package
    assert (found.url, found.depends) == (package.url, package.depends)


@pytest.mark.parametrize("lacking", ["name", "version", "build"])
def test_what_lacks_its_identity_is_no_package(lacking: str) -> None:
    fields = {"name": "six", "version": "1", "build": "0"}
    del fields[lacking]
    with pytest.raises(KeyError, match=lacking):
        from_mapping(fields)


# channel


@pytest.mark.parametrize(
    ("package", "channel"),
    [
        (NUMPY, "main"),
        (replace(NUMPY, url="https://conda.anaconda.org/conda-forge/noarch/numpy-2.3.1-0.conda"), "conda-forge"),
        (replace(NUMPY, url=""), ""),
        (pip("einops"), "pip"),
    ],
)
def test_channel(package: Package, channel: str) -> None:
    assert package.channel == channel


# stem, in_order


def test_stem() -> None:
    assert PYTHON.stem == "python-3.11.2-1_cpython"


A, B, C = (replace(conda(name), depends=depends) for name, depends in (("a", ("c >=1",)), ("b", ()), ("c", ("b",))))


@pytest.mark.parametrize(
    ("packages", "names"),
    [
        ((), ""),
        ((C, B, A), "bca"),
        ((A, B, C), "bca"),
        ((A, B), "ab"),
        ((B, replace(C, depends=("a",)), A), "cab"),
        ((replace(A, depends=("a",)), B), "ab"),
    ],
    ids=["none", "backwards", "forwards", "something is not there", "cycle", "itself"],
)
def test_in_order(packages: tuple[Package, ...], names: str) -> None:
    assert "".join(package.name for package in in_order(packages)) == names


# digest


@pytest.mark.parametrize(
    "same",
    [
        tuple(reversed(PACKAGES)),
        tuple(replace(package, url="file:///srv/mirror/x") for package in PACKAGES),
        tuple(replace(package, url="", md5="ab" * 16, size=1, depends=("six",)) for package in PACKAGES),
    ],
    ids=["order", "mirror", "what is not compared"],
)
def test_digest_depends_on_the_packages_alone(same: tuple[Package, ...]) -> None:
    assert digest(same) == digest(PACKAGES)
    assert digest(same, {}) == digest(PACKAGES, None)


@pytest.mark.parametrize(
    "other",
    [
        (),
        PACKAGES[:2],
        (*PACKAGES, conda("six")),
        (NEWER, *PACKAGES[1:]),
        (replace(NUMPY, name="numpy-base"), *PACKAGES[1:]),
        (replace(NUMPY, build="1"), *PACKAGES[1:]),
        (replace(NUMPY, sha256="0" * 64), *PACKAGES[1:]),
        (*PACKAGES[:2], pip("einops", "0.8.2")),
        (*PACKAGES[:2], pip("einops", "0.8.1", sha256="0" * 64)),
        (*PACKAGES[:2], replace(PACKAGES[2], manager="conda")),
        (*PACKAGES[:2], pip("einops", "0.8.1", sha256="", url=COMMIT)),
    ],
)
def test_digest_tells_packages_apart(other: tuple[Package, ...]) -> None:
    assert digest(other) != digest(PACKAGES)


def test_digest_tells_commits_apart() -> None:
    commits = [pip("tools", sha256="", url=f"git+https://git.example/tools@{letter * 40}") for letter in "ab"]
    assert digest(commits[:1]) != digest(commits[1:])


@pytest.mark.parametrize(
    ("variables", "other"),
    [({"A": "1"}, {}), ({"A": "1"}, {"A": "2"}), ({"A": "1"}, {"B": "1"}), ({"A": "1"}, {"A": "1", "B": "2"})],
)
def test_digest_tells_variables_apart(variables: dict[str, str], other: dict[str, str]) -> None:
    assert digest(PACKAGES, variables) != digest(PACKAGES, other)
    assert digest(PACKAGES, variables) == digest(PACKAGES, dict(variables))


def test_a_record_of_somebody_whose_name_is_no_text_has_a_digest() -> None:
    assert digest([conda("caf\udce9")], {"A": "\ud800"}) != digest([conda("caf\udce8")], {"A": "\ud800"})


def test_the_order_of_variables_is_no_difference() -> None:
    assert digest((), {"A": "1", "B": "2"}) == digest((), {"B": "2", "A": "1"})


SIX = Package("six", "1.17.0", "py_0", "ab" * 32, url="https://mirror.example/six")


@pytest.mark.parametrize(
    ("packages", "variables", "known"),
    [
        ([SIX], {}, "05098f74f8a67073e198155a64f7c94e119309fd600cb9b36f1a337f4ee5c440"),
        ([pip("six", "1.17.0")], {}, "c03ac5053f85b12c92ed8e265c4e0c2484f0fefe909969668758d38fbac4a980"),
        ([pip("six", "1.17.0", "", COMMIT)], {}, "d6d90d6c2f67a1ba4c542f3e18e2587161e1a038f78a2f8bb5ee873626a4e045"),
        (
            [SIX, pip("einops")],
            {"OMP_NUM_THREADS": "4"},
            "efe60e6b069e1dff970132007c22fd40fd3fc166d0d229a3853aefa3fe28a4ab",
        ),
    ],
    ids=["conda", "pip", "commit", "all"],
)
def test_digest_is_the_same_in_every_release(packages: list[Package], variables: dict[str, str], known: str) -> None:
    assert digest(packages, variables) == known


# changes


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ((), (), []),
        (PACKAGES, PACKAGES, []),
        ((NUMPY,), (replace(NUMPY, url="file:///elsewhere"),), []),
        ((), (PYTHON, NUMPY), ["+ numpy 2.3.1 (main)", "+ python 3.11.2 (main)"]),
        ((), (replace(NUMPY, url=""),), ["+ numpy 2.3.1"]),
        ((), (pip("einops", "0.8.1"),), ["+ einops 0.8.1 (pip)"]),
        ((NUMPY, PYTHON), (PYTHON,), ["- numpy 2.3.1"]),
        ((NUMPY,), (NEWER,), ["~ numpy 2.3.1 -> 2.4.0"]),
        ((NUMPY,), (replace(NUMPY, build="1"),), ["~ numpy 2.3.1 0 -> 1"]),
        ((NUMPY,), (replace(NUMPY, sha256="cd" * 32),), ["~ numpy 2.3.1 sha256 abababababab -> cdcdcdcdcdcd"]),
        ((replace(NUMPY, sha256=""),), (NUMPY,), ["~ numpy 2.3.1 sha256 unknown -> abababababab"]),
        ((NUMPY,), (NUMPY, pip("numpy", "2.4.0")), ["+ numpy 2.4.0 (pip)"]),
        ((NUMPY, pip("numpy", "2.4.0")), (NUMPY,), ["- numpy 2.4.0"]),
        ((NUMPY,), (pip("numpy", "2.4.0"),), ["- numpy 2.3.1", "+ numpy 2.4.0 (pip)"]),
        (
            (PYTHON, conda("six")),
            (conda("attrs"), replace(PYTHON, version="3.11.9")),
            ["+ attrs 1.0 (main)", "~ python 3.11.2 -> 3.11.9", "- six 1.0"],
        ),
    ],
)
def test_changes(before: tuple[Package, ...], after: tuple[Package, ...], lines: list[str]) -> None:
    assert changes(before, after) == lines
