# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.lookup.environment_problems import LookupModule

URL = "https://repo.anaconda.com/pkgs/main/linux-64/six-1.17.0-py_0.conda"


def problems(directory: Path, *terms: dict[str, Any], **options: Any) -> list[str]:
    lookup = LookupModule(loader=DataLoader())
    found: list[str] = lookup.run(list(terms), {}, directory=str(directory), channels=["conda-forge"], **options)
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {
        "good/environment.yml": "channels: [conda-forge]\ndependencies: [python]\n",
        "bad/environment.yml": "channels: [conda-forge]\ndependency: [python]\n",
        "explicit.txt": f"# platform: linux-64\n@EXPLICIT\n{URL}#{'ab' * 32}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "term",
    [
        {"name": "good"},
        {"name": "other", "environment": "good/environment.yml"},
        {"name": "listed", "packages": ["python"]},
        {"name": "exact", "explicit": "explicit.txt"},
        {"name": "bad", "state": "absent"},
    ],
    ids=["by its name", "by a path", "a list", "an explicit file", "absent"],
)
def test_nothing_is_wrong(directory: Path, term: dict[str, Any]) -> None:
    assert problems(directory, term) == []


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ({"name": "bad"}, "bad: {directory}/bad/environment.yml: the key 'dependency' is unknown"),
        ({"name": "nowhere"}, "nowhere: {directory}/nowhere/environment.yml could not be read"),
        ({"name": "two", "packages": ["a"], "lock": "b.yml"}, "two: The environment has lock and packages"),
        ({"name": "exact", "explicit": "good/environment.yml"}, "exact: {directory}/good/environment.yml has no line"),
    ],
)
def test_what_is_wrong_is_told(directory: Path, term: dict[str, Any], words: str) -> None:
    (problem,) = problems(directory, {"name": "good"}, term)
    assert problem.startswith(words.format(directory=directory))


def test_the_nodes_platform_counts(directory: Path) -> None:
    (problem,) = problems(directory, {"name": "exact", "explicit": "explicit.txt"}, architecture="aarch64")
    assert "is for linux-64, not for linux-aarch64" in problem
