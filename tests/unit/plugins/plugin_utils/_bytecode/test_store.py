# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import store

FILES = {"lib/b.pyc": b"b" * 99, "lib/a.pyc": b"a" * 99}


def test_equal_files_make_equal_archives(tmp_path: Path) -> None:
    content = store.packed(FILES)
    assert content == store.packed(dict(reversed(FILES.items())))
    assert content != store.packed({**FILES, "lib/a.pyc": b"another"})
    (tmp_path / "a.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {entry.filename: archive.read(entry) for entry in archive.infolist()} == FILES


def test_a_store_has_what_was_put_there_as_long_as_it_is_that(tmp_path: Path) -> None:
    directory, content = tmp_path / "new" / "store", store.packed(FILES)
    archive = store.archive_of(content)
    assert not store.has(directory, archive)
    store.add(directory, [content])
    assert store.has(directory, archive)
    assert [path.name for path in directory.iterdir()] == [archive.file]
    (directory / archive.file).write_bytes(content.replace(b"lib", b"bil"))
    assert not store.has(directory, archive)
    store.remove(directory, [archive])
    store.remove(directory, [archive])
    assert list(directory.iterdir()) == []


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_unused: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path))

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(EvenkeelError, match=r"Bytecode can't be kept in .*No space left on device") as error:
        store.add(tmp_path, [b"x"])
    assert "compile_store" in error.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_what_two_runs_put_there_at_once_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = os.fsync

    def meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(store.os, "fsync", synced)
        store.add(tmp_path, [b"of the other run"])
        synced(descriptor)

    monkeypatch.setattr(store.os, "fsync", meanwhile)
    store.add(tmp_path, [b"of this run"])
    for content in (b"of this run", b"of the other run"):
        assert store.has(tmp_path, store.archive_of(content))


WRITER = """
import sys
from pathlib import Path
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bytecode import store
with store._partial(Path.cwd()) as partial:
    partial.write_text(sys.argv[1])
    print(flush=True)
    sys.stdin.read()
    partial.rename(sys.argv[1])
"""


def test_what_a_killed_run_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    collections = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with contextlib.ExitStack() as started:
        for fate in ("killed", "living"):
            command = [sys.executable, "-c", WRITER, fate]
            writer = started.enter_context(subprocess.Popen(command, cwd=tmp_path, env=collections, **pipes))
            assert writer.stdout
            writer.stdout.readline()
            if fate == "killed":
                writer.kill()
                writer.wait()
        assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["killed", "living"]
        store.remove_abandoned(tmp_path)
        assert [path.read_text() for path in tmp_path.iterdir()] == ["living"]
    assert [path.name for path in tmp_path.iterdir()] == ["living"]


def test_only_unfinished_files_of_ours_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").write_text("x")
    (tmp_path / ".partial-abcdefgh").write_text("x")
    (tmp_path / ".evenkeel-partial-folder").mkdir()
    (tmp_path / ".evenkeel-partial-link").symlink_to("theirs")
    store.remove_abandoned(tmp_path)
    store.remove_abandoned(tmp_path / "nowhere")
    assert len(list(tmp_path.iterdir())) == 4
    (tmp_path / ".evenkeel-partial-abcdefgh").write_text("x")
    with monkeypatch.context() as as_another:
        as_another.setattr(store.os, "geteuid", lambda: os.getuid() + 1)
        store.remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 5
    store.remove_abandoned(tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_nodes_may_read_what_is_there(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        store.add(tmp_path, [b"x"])
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / store.archive_of(b"x").file).stat().st_mode) == 0o644
