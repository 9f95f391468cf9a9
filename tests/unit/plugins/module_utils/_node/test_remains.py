# SPDX-License-Identifier: GPL-3.0-or-later
"""What others have put into folders of ours is named, and only empty directories go."""

from __future__ import annotations

from pathlib import Path

import pytest
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


def test_what_an_interrupted_removal_leaves_has_another_name_and_goes_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("whole/stamp", "whole.old/rest"):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).touch()
    (tmp_path / "link").symlink_to("whole")
    names = [str(tmp_path / name) for name in ("link", "whole", "whole.old", "nowhere")]
    with monkeypatch.context() as patched:
        patched.setattr("ansible_collections.evenkeel.gpu.plugins.module_utils._node.files.shutil.rmtree", _interrupted)
        with pytest.raises(OSError, match="Input/output"):
            remains.take(names, ".old")
    assert not (tmp_path / "whole").exists()
    remains.take(names, ".old")
    assert list(tmp_path.iterdir()) == []


def _interrupted(path: str, ignore_errors: bool = False) -> None:
    if not ignore_errors:
        raise OSError(5, "Input/output error", path)
    for inner in Path(path).iterdir():
        inner.unlink()
    Path(path).rmdir()
