# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report are replaced together."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import report_files


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_files_get_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        report_files.replace_all(
            tmp_path, {"a.json": ("a", 0o640), "history/b.json": ("b", 0o600), "c.prom": ("c", 0o644)}
        )
    finally:
        os.umask(before)
    assert content(tmp_path) == {"a.json": "a", "history/b.json": "b", "c.prom": "c"}
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a.json", "history/b.json", "c.prom")]
    assert modes == [0o640, 0o600, 0o644]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_files.replace_all(tmp_path, {"a": ("old", 0o600), "b": ("old", 0o600)})
    synced: list[int] = []

    def full(number: int) -> None:
        synced.append(number)
        if len(synced) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EvenkeelError, match="No space left") as caught:
        report_files.replace_all(tmp_path, {"a": ("new", 0o600), "b": ("new", 0o600)})
    assert str(tmp_path) in str(caught.value)
    assert content(tmp_path) == {"a": "old", "b": "old"}


def test_one_file_is_replaced_at_once_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_files.replace(tmp_path / "a.json", "old")

    def refuse(*_unused: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(EvenkeelError, match=r"a\.json: Input/output error"):
            report_files.replace(tmp_path / "a.json", "new")
    assert content(tmp_path) == {"a.json": "old"}
    report_files.replace(tmp_path / "a.json", "new")
    assert content(tmp_path) == {"a.json": "new"}


def test_one_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / f".a.json.{os.getpid()}"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvenkeelError, match="File exists"):
        report_files.replace(tmp_path / "a.json", "new")
    assert link.is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_a_new_folder_is_not_git_s_concern(tmp_path: Path) -> None:
    report_files.make_folder(tmp_path / "drift")
    assert content(tmp_path / "drift") == {".gitignore": "*\n"}
    (tmp_path / "drift" / ".gitignore").unlink()
    report_files.make_folder(tmp_path / "drift")
    assert content(tmp_path / "drift") == {}, "who removed it wants the reports in git"


def test_a_folder_that_can_t_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvenkeelError, match=str(tmp_path / "file")):
        report_files.make_folder(tmp_path / "file" / "drift")


def test_an_error_of_the_control_node_is_none_of_a_node(tmp_path: Path) -> None:
    (tmp_path / "drift").symlink_to(tmp_path / "nowhere")
    with pytest.raises(EvenkeelError) as caught:
        report_files.make_folder(tmp_path / "drift")
    assert str(caught.value) == f"{tmp_path / 'drift'}: File exists. Repair that, then run again."
