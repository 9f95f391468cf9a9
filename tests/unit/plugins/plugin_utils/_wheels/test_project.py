# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.project import BuildSystem, build_system

LEGACY = BuildSystem("setuptools.build_meta:__legacy__", ("setuptools>=40.8.0",))


@pytest.mark.parametrize(
    ("pyproject", "expected"),
    [
        (None, LEGACY),
        ("", LEGACY),
        ("[tool.black]\nline-length = 100\n", LEGACY),
        (
            '[build-system]\nrequires = ["setuptools", "cython"]\n',
            BuildSystem(LEGACY.backend, ("setuptools", "cython")),
        ),
        (
            '[build-system]\nrequires = []\nbuild-backend = "backend:api"\nbackend-path = ["."]\n',
            BuildSystem("backend:api", (), (".",)),
        ),
    ],
)
def test_a_project_says_how_it_is_built_or_is_built_as_pip_does(pyproject: str | None, expected: BuildSystem) -> None:
    assert build_system(pyproject, "tool 1.0") == expected


@pytest.mark.parametrize(
    "pyproject",
    [
        "[build-system",
        "[build-system]\nbuild-backend = 'b'\n",
        "[build-system]\nrequires = 'a'\n",
        "build-system = 5\n",
        "[build-system]\nrequires = " + 5000 * "[" + 5000 * "]",
    ],
)
def test_a_malformed_one_is_named(pyproject: str) -> None:
    with pytest.raises(EvenkeelError, match=r"^The pyproject\.toml of tool 1\.0 is malformed: "):
        build_system(pyproject, "tool 1.0")
