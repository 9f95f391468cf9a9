# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.lookup.environments_lacking import LookupModule

URL = "https://repo.anaconda.com/pkgs/main/linux-64"
HASH = "ab" * 32


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {
        "kernel.txt": f"@EXPLICIT\n{URL}/ipykernel-7.1.0-py_0.conda#{HASH}\n{URL}/six-1.17.0-py_0.conda#{HASH}\n",
        "similar.txt": f"@EXPLICIT\n{URL}/ipykernel-extra-7.1.0-py_0.conda#{HASH}\n",
        "malformed.txt": "@EXPLICIT\nno URL\n",
        "solved/environment.yml": "channels: [conda-forge]\ndependencies: [python]\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("term", "lacks"),
    [
        ({"explicit": "kernel.txt"}, False),
        ({"explicit": "similar.txt"}, True),
        ({"explicit": "similar.txt", "state": "absent"}, False),
        ({"explicit": "malformed.txt"}, False),
        ({"explicit": "nowhere.txt"}, False),
        ({"packages": ["python"]}, False),
        ({"environment": "solved/environment.yml"}, False),
        ({}, False),
    ],
    ids=["has it", "a similar name", "absent", "malformed", "no file", "a list", "no lock", "no file of its name"],
)
def test_only_what_a_lock_shows_is_lacking(directory: Path, term: dict[str, Any], lacks: bool) -> None:
    lookup = LookupModule(loader=DataLoader())
    found = lookup.run([{"name": 2026, **term}], {}, package="ipykernel", directory=str(directory))
    assert found == (["2026"] if lacks else [])


def test_the_packages_of_the_nodes_platform_count(directory: Path) -> None:
    lookup = LookupModule(loader=DataLoader())
    asked = {"package": "ipykernel", "directory": str(directory), "architecture": "aarch64"}
    (directory / "arm.txt").write_text(f"@EXPLICIT\n{URL.replace('64', 'aarch64')}/six-1.17.0-py_0.conda#{HASH}\n")
    assert lookup.run([{"name": "arm", "explicit": "arm.txt"}], {}, **asked) == ["arm"]
