# SPDX-License-Identifier: GPL-3.0-or-later
"""What others have put into folders of ours is named, and only empty directories go."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import remains


def test_what_is_not_ours_is_named_a_few_of_many_with_their_number(tmp_path: Path) -> None:
    ours = tmp_path / "ours" / "settings"
    ours.parent.mkdir()
    ours.touch()
    assert remains.left(str(tmp_path), [str(ours)]) == []
    link = tmp_path / "link"
    link.symlink_to("/srv")
    assert remains.left(str(tmp_path), {str(ours)}) == [f"{link}: not made by Evenkeel"]
    for name in "abc":
        (tmp_path / "ours" / name).touch()
    found = ", ".join(str(tmp_path / name) for name in ("link", "ours/a", "ours/b"))
    assert remains.left(str(tmp_path), {str(ours)}) == [f"{found} and 1 more: not made by Evenkeel"]
    assert remains.left(str(tmp_path / "nowhere")) == []


def test_empty_directories_go_and_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "empty").mkdir(parents=True)
    folder = tmp_path / "folder"
    (folder / "one" / "two").mkdir(parents=True)
    (folder / "kept").mkdir()
    (folder / "kept" / "link").symlink_to(elsewhere)
    remains.clear(str(folder))
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert (elsewhere / "empty").is_dir()
    (folder / "kept" / "link").unlink()
    remains.clear(str(folder))
    assert not folder.exists()
    remains.clear(str(folder))
