# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maintenance import make_release
from maintenance.make_release import Tree

READY = Tree(
    version="0.2.0",
    releases=["0.1.0", "0.2.0"],
    changelog="Notes\n\nv0.2.0\n======\n\nv0.1.0\n======\n",
    fragments=[],
    changes=[],
)


def test_a_tree_whose_changelog_has_the_release_is_ready() -> None:
    assert make_release.problems("v0.2.0", READY) == []


@pytest.mark.parametrize(
    "tag", ["0.2.0", "v0.2", "v0.2.0-rc1", "v0.2.0\n", "v00.2.0", "v0.2.0.1", "", "V0.2.0", "v1\u0660.2.0"]
)
def test_a_tag_of_another_form_is_refused(tag: str) -> None:
    assert make_release.problems(tag, READY) == [f"The tag {tag} is not of the form vX.Y.Z. Tag v0.2.0."]


@pytest.mark.parametrize(
    ("tag", "changes", "found"),
    [
        (
            "v0.3.0",
            {},
            [
                "The tag v0.3.0 is not the version 0.2.0 of galaxy.yml. Change one of them.",
                "The changelog has no release 0.3.0. Run antsibull-changelog release, and commit the result.",
            ],
        ),
        ("v0.1.0", {}, ["The tag v0.1.0 is not the version 0.2.0", "The changelog has the newer release 0.2.0."]),
        ("v0.2.0", {"releases": ["0.1.0"]}, ["The changelog has no release 0.2.0."]),
        ("v0.2.0", {"changelog": "\nv0.2.00\n\nv0.1.0\n"}, ["The changelog has no release 0.2.0."]),
        ("v0.2.0", {"releases": ["0.2.0", "0.10.0"]}, ["The changelog has the newer release 0.10.0."]),
        ("v0.2.0", {"fragments": ["a.yml", "b.yml"]}, ["Fragments belong to no release: a.yml, b.yml. Run"]),
        ("v0.2.0", {"changes": ["?? x y", " M z"]}, ["Not committed: x y, z. Commit it or remove it."]),
        ("v0.2.0", {"changes": [f"?? {n}" for n in range(7)]}, ["Not committed: 0, 1, 2, 3, 4, 2 more."]),
        ("v0.2.0", {"tagged_elsewhere": True}, ["The tag v0.2.0 is of another commit"]),
    ],
)
def test_all_that_is_missing_is_named(tag: str, changes: dict[str, Any], found: list[str]) -> None:
    said = make_release.problems(tag, replace(READY, **changes))
    assert len(said) == len(found)
    assert [line for line, begin in zip(said, found, strict=True) if not line.startswith(begin)] == []


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "changelogs" / "fragments").mkdir(parents=True)
    (tmp_path / "galaxy.yml").write_text("version: 0.2.0\n")
    (tmp_path / "CHANGELOG.rst").write_text("\nv0.2.0\n======\n")
    (tmp_path / "changelogs" / "changelog.yaml").write_text("releases: {0.1.0: {}, 0.2.0: {}}\n")
    git(tmp_path, "init", "--quiet")
    committed(tmp_path)
    monkeypatch.setattr(make_release, "ROOT", tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@site.example")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def committed(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Change", "--allow-empty")


def test_a_clone_is_read(clone: Path, tmp_path: Path) -> None:
    assert make_release.read("v0.2.0") == replace(READY, changelog="\nv0.2.0\n======\n")
    git(clone, "tag", "v0.2.0")
    assert not make_release.read("v0.2.0").tagged_elsewhere
    (clone / "changelogs" / "fragments" / "late.yml").touch()
    assert make_release.read("v0.2.0").fragments == ["late.yml"]
    assert make_release.read("v0.2.0").changes == ["?? changelogs/fragments/"]
    committed(clone)
    assert make_release.read("v0.2.0").tagged_elsewhere
    assert not make_release.read("v0.2.1").tagged_elsewhere


def test_a_release_that_is_not_ready_makes_no_file(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"The tag v0.2.1 is not the version 0.2.0 of galaxy.yml"):
        make_release.main(["v0.2.1", "--into", str(clone / "dist")])
    assert not (clone / "dist").exists()


def test_a_folder_with_files_is_left_alone(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("dist")
    (folder / "old.tar.gz").touch()
    with pytest.raises(SystemExit, match="is not empty"):
        make_release.main(["v0.2.0", "--into", str(folder)])
    assert [path.name for path in folder.iterdir()] == ["old.tar.gz"]
