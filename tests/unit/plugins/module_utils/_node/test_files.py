# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import stat
from collections import namedtuple
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

SYNCFS = files._syncfs
Usage = namedtuple("Usage", "total used free")


def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("before", [None, "old and longer than the new"])
def test_write_replaces_the_whole_file(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "marker"
    if before is not None:
        path.write_text(before)
        path.chmod(0o600)
    files.write_atomically(str(path), "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["marker"]


def test_a_file_has_its_owner_before_its_mode_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, object]] = []
    monkeypatch.setattr(os, "chown", lambda path, *owner: done.append(("chown", owner)))
    monkeypatch.setattr(os, "chmod", lambda path, mode: done.append(("chmod", mode)))
    monkeypatch.setattr(os, "rename", lambda source, target: done.append(("rename", target)))
    target = str(tmp_path / "token")
    files.write_atomically(target, "hush", 0o640, (1001, 1002))
    assert done == [("chown", (1001, 1002)), ("chmod", 0o640), ("rename", target)]


@pytest.mark.parametrize("step", ["fsync", "chmod", "rename"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "marker"
    path.write_text("old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(str(path), "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["marker"]


@pytest.mark.parametrize("before", [None, "old-target", "dangling"])
def test_link_is_replaced_and_its_directory_made(tmp_path: Path, before: str | None) -> None:
    link = tmp_path / "envs" / "ai-dev"
    if before is not None:
        link.parent.mkdir()
        link.symlink_to(before)
    files.link_atomically(str(link), "../generations/ai-dev/1")
    assert link.readlink() == Path("../generations/ai-dev/1")
    assert names(link.parent) == ["ai-dev"]


def test_relative_paths_end_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.existing("a/b") == "."
    files.make_directories("a/b")
    files.make_directories("a/b")
    assert (tmp_path / "a" / "b").is_dir()


def test_link_is_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "ai-dev"
    link.symlink_to("old")
    seen = []
    rename = os.rename

    def look_and_rename(source: str, target: str) -> None:
        seen.append(link.readlink())
        rename(source, target)

    monkeypatch.setattr(os, "rename", look_and_rename)
    files.link_atomically(str(link), "new")
    assert seen == [Path("old")]


def test_a_killed_switch_is_healed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "ai-dev"
    link.symlink_to("old")
    with monkeypatch.context() as killed:
        killed.setattr(os, "rename", fail)
        killed.setattr(os, "unlink", lambda path: None)
        with pytest.raises(OSError, match="No space left"):
            files.link_atomically(str(link), "half-way")
    assert link.readlink() == Path("old")
    assert len(names(tmp_path)) == 2
    files.link_atomically(str(link), "new")
    assert link.readlink() == Path("new")
    assert names(tmp_path) == ["ai-dev"]


def test_a_directory_at_the_link_is_left_alone(tmp_path: Path) -> None:
    link = tmp_path / "ai-dev"
    link.mkdir()
    (link / "work").touch()
    with pytest.raises(OSError, match="directory"):
        files.link_atomically(str(link), "new")
    assert names(tmp_path) == ["ai-dev"]
    assert names(link) == ["work"]


@pytest.mark.parametrize("path", ["/opt/evenkeel", "/srv/data/two words"])
def test_normalised_paths_are_accepted(path: str) -> None:
    files.require_normalised("root", path)


@pytest.mark.parametrize(
    "path", ["", "/", "//", "opt", "./opt", "/opt/", "/opt//evenkeel", "/opt/../evenkeel", "/opt/."]
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(EvenkeelError, match=f"^root is '{path}'"):
        files.require_normalised("root", path)


def test_disk_full_names_the_place_and_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 3 << 20))
    error = files.disk_full(str(tmp_path))
    assert f"No space left on the file system of {tmp_path} (3 MiB free)" in str(error)


@pytest.mark.parametrize("size", [0, 1, files.CHUNK_BYTES, files.CHUNK_BYTES + 1])
def test_the_hash_of_what_is_read_meanwhile(tmp_path: Path, size: int) -> None:
    content, taken = os.urandom(size), bytearray()
    (tmp_path / "file").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert files.sha256_of(str(tmp_path / "file")) == expected
    with (tmp_path / "file").open("rb") as stream:
        assert files.sha256_of_chunks(files.chunks(stream.read), taken.extend) == expected
    assert bytes(taken) == content


@pytest.mark.parametrize(("free", "fits"), [(100, True), (101, True), (99, False)])
def test_what_just_fits_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fits: bool) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))
    with nullcontext() if fits else pytest.raises(EvenkeelError, match=f"x needs 100 bytes, .* has {free} free"):
        files.require_space(str(tmp_path), 100, "x")


# on the disk


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is brought to the disk, by the names of files and directories, one after the other."""
    found: list[str] = []

    def fsync(descriptor: int) -> None:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        found.append(name if stat.S_ISREG(os.fstat(descriptor).st_mode) else f"{name}/")

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_a_written_file_and_then_its_name_reach_the_disk(tmp_path: Path, synced: list[str]) -> None:
    files.write_atomically(str(tmp_path / "marker"), "text")
    assert len(synced) == 2
    assert synced[0].startswith(f"{tmp_path}/.marker.")
    assert synced[1] == f"{tmp_path}/"


def test_a_link_and_the_directories_made_for_it_reach_the_disk(tmp_path: Path, synced: list[str]) -> None:
    files.link_atomically(str(tmp_path / "opt" / "envs" / "ai-dev"), "target")
    assert synced == [f"{tmp_path}/", f"{tmp_path}/opt/", f"{tmp_path}/opt/envs/"]
    synced.clear()
    files.link_atomically(str(tmp_path / "opt" / "envs" / "ai-dev"), "other")
    assert synced == [f"{tmp_path}/opt/envs/"]


def test_a_durable_rename_brings_both_directories_to_the_disk(tmp_path: Path, synced: list[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x").touch()
    files.rename_durably(str(tmp_path / "a" / "x"), str(tmp_path / "b" / "x"))
    assert sorted(synced) == [f"{tmp_path}/a/", f"{tmp_path}/b/"]


@pytest.mark.parametrize(("number", "borne"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_file_systems_that_cannot_sync_directories_are_borne(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, borne: bool
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    if borne:
        files.sync_directory(str(tmp_path))
    else:
        with pytest.raises(OSError, match="Input/output error"):
            files.sync_directory(str(tmp_path))


def test_a_directory_that_may_not_be_read_is_borne(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "open", refuse)
    files.sync_directory(str(tmp_path))


Syncing = Callable[[int], int]


@pytest.fixture
def sync(monkeypatch: pytest.MonkeyPatch) -> Callable[[Syncing], None]:
    """Put something else in the place of ``syncfs``, which runs in a child."""
    return lambda function: monkeypatch.setattr(files, "_syncfs", lambda: function)


def test_each_file_system_is_synced_once(
    tmp_path: Path, sync: Callable[[Syncing], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    devices = {"/cache/a": 1, "/cache/b": 1, "/generations": 2}
    for name in devices:
        (tmp_path / name.strip("/")).mkdir(parents=True, exist_ok=True)
    whole = os.stat

    def status(path: str) -> object:
        name = path.removeprefix(str(tmp_path))
        return namedtuple("Status", "st_dev")(devices[name]) if name in devices else whole(path)

    def note(descriptor: int) -> int:
        with log.open("a") as stream:
            stream.write(str(Path(f"/proc/self/fd/{descriptor}").readlink()).removeprefix(str(tmp_path)) + "\n")
        return 0

    sync(note)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", status)
        files.sync_file_systems(f"{tmp_path}{name}" for name in devices)
    assert log.read_text().splitlines() == ["/cache/a", "/generations"]


def test_the_real_call_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_syncfs", SYNCFS)
    files.sync_file_systems([str(tmp_path)])
    assert files._syncfs()(-1) == errno.EBADF


def test_without_the_call_all_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(os, "sync", lambda: calls.append("sync"))
    assert SYNCFS()(0) == 0
    assert calls == ["sync"]


def end_this_process(descriptor: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.mark.parametrize(
    ("function", "why"),
    [(lambda _: errno.EIO, "Input/output error"), (end_this_process, "the process that wrote it was ended")],
)
def test_what_did_not_reach_the_disk_is_an_error(
    tmp_path: Path, sync: Callable[[Syncing], None], function: Syncing, why: str
) -> None:
    sync(function)
    with pytest.raises(EvenkeelError, match=f"the file system of {tmp_path} did not reach its disk: {why}"):
        files.sync_file_systems([str(tmp_path)])


def test_the_wait_is_reported(tmp_path: Path, sync: Callable[[Syncing], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "POLL_SECONDS", 0.001)
    reached, reports = os.pipe()
    seconds: list[int] = []

    def wait_for_three_reports(descriptor: int) -> int:
        while len(os.read(reached, 1)) < 1:
            pass
        return 0

    def waiting(since: int) -> None:
        seconds.append(since)
        if len(seconds) == 3:
            os.write(reports, b".")

    sync(wait_for_three_reports)
    files.sync_file_systems([str(tmp_path)], waiting)
    os.close(reached)
    os.close(reports)
    assert len(seconds) >= 3
    assert seconds == sorted(seconds)
