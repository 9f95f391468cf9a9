# SPDX-License-Identifier: GPL-3.0-or-later
"""Which licence a package names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._image.inventory import licence_of, with_licences


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: no\n", "MIT OR Apache-2.0"),
        ("License: BSD\n", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        ("License: Permission is hereby granted\n  to anybody\nClassifier: License :: OSI Approved :: X\n", "X"),
        (f"License: {'long ' * 30}\n", ""),
        ("Name: six\n", ""),
    ],
)
def test_a_distribution_of_python(metadata: str, licence: str) -> None:
    assert licence_of(metadata) == licence


def test_packages_of_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "a-1-0.json").write_text(json.dumps({"license": "BSD-3-Clause"}))
    info = tmp_path / "lib" / "python3.11" / "site-packages" / "My_Pkg-2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("License: MIT\n\nLicense: of the text\n")
    packages = [Package("my-pkg", "2", "", "cd", PIP), Package("a", "1", "0", "ab"), Package("b", "1", "0", "ef")]
    found = {one["name"]: one["licence"] for one in with_licences(str(tmp_path), packages)}
    assert found == {"a": "BSD-3-Clause", "b": "", "my-pkg": "MIT"}
