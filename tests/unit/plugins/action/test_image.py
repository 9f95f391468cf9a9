# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of an image: replaced as a whole, or left as it was."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.action import image
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


def test_a_new_layout_takes_the_place_of_the_former(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "ai" / "oci"
    for number in "12":
        with image._replaced(folder) as draft:
            (draft / "index.json").write_text(number)
    assert (folder / "index.json").read_text() == "2"
    assert sorted(path.name for path in folder.parent.iterdir()) == [".gitignore", "oci"]


def test_what_fails_leaves_the_former_and_no_draft(tmp_path: Path) -> None:
    folder = tmp_path / "ai" / "oci"
    with image._replaced(folder) as draft:
        (draft / "index.json").write_text("former")
    with pytest.raises(EvenkeelError, match=r"Free some space"), image._replaced(folder):
        raise OSError(errno.ENOSPC, "No space left on device", "index.json")
    assert (folder / "index.json").read_text() == "former"
    assert not list(folder.parent.glob(".oci*"))


def test_what_an_interrupted_run_has_left_goes(tmp_path: Path) -> None:
    (tmp_path / "ai" / ".oci.new" / "blobs").mkdir(parents=True)
    (tmp_path / "ai" / ".oci.old").mkdir()
    with image._replaced(tmp_path / "ai" / "oci") as draft:
        assert not list(draft.iterdir())
    assert [path.name for path in (tmp_path / "ai").iterdir()] == ["oci"]


def test_a_failure_between_the_renames_brings_the_former_back(tmp_path: Path) -> None:
    folder = tmp_path / "ai" / "oci"
    (tmp_path / "ai" / ".oci.old").mkdir(parents=True)
    (tmp_path / "ai" / ".oci.old" / "index.json").write_text("former")
    with pytest.raises(RuntimeError), image._replaced(folder):
        raise RuntimeError
    assert (folder / "index.json").read_text() == "former"
