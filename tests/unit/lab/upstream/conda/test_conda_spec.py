# SPDX-License-Identifier: GPL-3.0-or-later
"""Python's version specifiers in conda's language."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from rattler import Version as CondaVersion
from rattler import VersionSpec

from lab.upstream.conda.conda_spec import match_spec

VERSIONS = (
    *("0.9", "1.0", "1.0a1", "1.4", "1.4.1", "1.4.2rc1", "1.4.2", "1.4.9", "1.5a1", "1.5", "1.5.0", "1.5.1"),
    *("2.0.dev1", "2.0a1", "2.0rc1", "2.0", "2.1", "3", "1!1.4.2", "1!1.4.3", "1!1.5", "1.2", "1.2.1", "1.2.post1"),
)


@pytest.mark.parametrize(
    ("python", "conda"),
    [
        ("", "x"),
        (">=1.2", "x >=1.2"),
        ("==1.2", "x ==1.2"),
        ("===1.2", "x ==1.2"),
        ("==1.*", "x 1.*"),
        ("!=1.4.*", "x !=1.4.*"),
        ("~=1.4.2", "x 1.4.*,>=1.4.2"),
        ("~=1!1.4.2", "x 1!1.4.*,>=1!1.4.2"),
        ("<2", "x <2.0a0"),
        ("<2.5", "x <2.5a0"),
        ("<2.0rc1", "x <2.0rc1"),
        (">=1,<3,!=2.1", "x !=2.1,<3.0a0,>=1"),
    ],
)
def test_translation(python: str, conda: str) -> None:
    assert match_spec("x", SpecifierSet(python)) == conda


@pytest.mark.parametrize(
    "specifiers",
    [
        *("~=1.4.2", "~=1.4", "~=1!1.4.2", "~=1.4.2rc1", "==1.4.*", "!=1.4.*", "==1.4.2", "==1.5", "!=1.4.2"),
        *("<2", "<2.0", "<=1.4", ">=1.4,<2", ">1.4", ">=1.5a1", "!=1.5.0,>=1.4", ">=1.4.2rc1,<1!1.5"),
    ],
)
def test_conda_chooses_from_the_same_versions(specifiers: str) -> None:
    in_python = {version for version in VERSIONS if SpecifierSet(specifiers).contains(Version(version), True)}
    spec = VersionSpec(match_spec("x", SpecifierSet(specifiers)).removeprefix("x "))
    assert {version for version in VERSIONS if spec.matches(CondaVersion(version))} == in_python
