# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.lookup import environment_problems
from ansible_collections.evenkeel.gpu.plugins.lookup.environment_problems import LookupModule

URL = "https://repo.anaconda.com/pkgs/main/linux-64/six-1.17.0-py_0.conda"


def problems(directory: Path, *terms: dict[str, Any], **options: Any) -> list[str]:
    lookup = LookupModule(loader=DataLoader())
    found: list[str] = lookup.run(list(terms), {}, directory=str(directory), channels=["conda-forge"], **options)
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {
        "2026.yml": "channels: [conda-forge]\ndependencies: [python]\n",
        "good/environment.yml": "channels: [conda-forge]\ndependencies: [python]\n",
        "bad/environment.yml": "channels: [conda-forge]\ndependency: [python]\n",
        "unhashed.txt": f"@EXPLICIT\n{URL}\n",
        "explicit.txt": f"# platform: linux-64\n@EXPLICIT\n{URL}#{'ab' * 32}\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture(autouse=True)
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of what the operator is warned of."""
    said: list[str] = []
    monkeypatch.setattr(environment_problems, "warn", said.append)
    return said


@pytest.mark.parametrize(
    "term",
    [
        {"name": "good"},
        {"name": 2026},
        {"name": "other", "environment": "good/environment.yml"},
        {"name": "listed", "packages": ["python"]},
        {"name": "exact", "explicit": "explicit.txt"},
        {"name": "bad", "state": "absent"},
    ],
    ids=["by its name", "by a number", "by a path", "a list", "an explicit file", "absent"],
)
def test_nothing_is_wrong(directory: Path, term: dict[str, Any]) -> None:
    assert problems(directory, term) == []


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ({"name": "bad"}, "bad: {directory}/bad/environment.yml has "),
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


def test_all_problems_of_all_environments_are_reported(directory: Path) -> None:
    (directory / "two").mkdir()
    for file in ("cpu.yml", "gpu.yml"):
        (directory / "two" / file).write_text("dependencies: [python]\n")
    found = problems(directory, {"name": "bad"}, {"name": "two"}, {"name": "nowhere"}, {"name": "good"})
    assert [text.partition(":")[0] for text in found] == ["bad", "two", "nowhere"]
    assert found[1].startswith(f"two: {directory}/two has 2 environment files: cpu.yml, gpu.yml.")


def test_a_directory_that_is_missing_is_one_problem(tmp_path: Path) -> None:
    said = f"There is no folder {tmp_path}/no. Set conda_environments_directory to the folder with your environments."
    assert problems(tmp_path / "no", {"name": "a"}, {"name": "b", "lock": "b.yml"}) == [said]


@pytest.mark.parametrize("term", [{"name": "a", "packages": ["python"]}, {"name": "a", "state": "absent"}], ids=str)
def test_who_needs_no_directory_is_not_asked_for_one(tmp_path: Path, term: dict[str, Any]) -> None:
    assert problems(tmp_path / "no", term) == []


def test_a_relative_directory_is_below_the_working_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.chdir(directory.parent)
    assert problems(Path(directory.name), {"name": "good"}) == []
    assert len(warnings) == 1


UNLOCKED: tuple[dict[str, Any], ...] = (
    {"name": "good"},
    {"name": "x", "packages": ["python"]},
    {"name": "y", "explicit": "unhashed.txt"},
)


def test_an_environment_without_a_lock_is_a_warning(directory: Path, warnings: list[str]) -> None:
    assert problems(directory, *UNLOCKED, {"name": "exact", "explicit": "explicit.txt"}) == []
    (said,) = warnings
    assert said.startswith("No lock fixes the packages of good, x, y: nodes that are set up later may get others. Lock")


def test_an_environment_without_a_lock_is_refused_where_one_is_required(directory: Path, warnings: list[str]) -> None:
    found = problems(directory, *UNLOCKED, {"name": "exact", "explicit": "explicit.txt"}, require_lock=True)
    assert [text.partition(".")[0] for text in found] == [
        "good: it has no lock, and one is required",
        "x: it has no lock, and one is required",
        "y: it has no lock, and one is required",
    ]
    assert warnings == []
