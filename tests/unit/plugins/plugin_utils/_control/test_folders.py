# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a folder can be written to is known before anything is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import folders


def test_a_folder_that_is_going_to_be_is_as_the_one_above_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folders.unwritable(tmp_path / "a" / "b") == ""
    monkeypatch.setattr(os, "access", lambda path, _mode: path != str(tmp_path))
    assert folders.unwritable(tmp_path / "a" / "b") == f"{tmp_path} can't be written to"


@pytest.mark.parametrize("name", ["file", "link"])
def test_nothing_can_be_below_what_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    assert folders.unwritable(tmp_path / name / "below") == f"{tmp_path / name} is no folder"
