# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import files


def test_a_text_is_replaced_in_one_step(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file"
    files.replace_text(file, "one")
    before = file.stat().st_ino
    files.replace_text(file, "two")
    assert (file.read_text(), [entry.name for entry in file.parent.iterdir()]) == ("two", ["file"])
    assert file.stat().st_ino != before


def test_an_unchanged_text_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    files.replace_text(file, "one")
    before = file.stat()
    files.replace_text(file, "one")
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_hard_links_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    alone = files.size(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    assert files.size(tmp_path) == alone >= 100_000


def test_a_file_that_goes_while_sizes_are_read_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"x" * 100_000)
    monkeypatch.setattr(os, "walk", lambda tree: [(str(tree), [], ["gone", "here"])])
    assert files.size(tmp_path) >= 100_000
