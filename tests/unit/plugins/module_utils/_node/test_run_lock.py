# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between real processes, since that is what they are for."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lock as lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ROOT = Path(__file__).parents[5]

#: Holds the lock with a child until the standard input, which both share, ends.
HOLDER = """
import subprocess, sys
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
with held(sys.argv[1], 0) as descriptor:
    inherited = [descriptor] if sys.argv[2] == "inherits" else []
    child = subprocess.Popen(["cat"], pass_fds=inherited)
    print("held", flush=True)
    child.wait()
"""

Holder = subprocess.Popen[str]
Hold = Callable[[Path, str], Holder]


@pytest.fixture
def hold() -> Iterator[Hold]:
    with ExitStack() as stack:

        def start(path: Path, child: str) -> Holder:
            holder = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", HOLDER, str(path), child],
                    env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            return holder

        yield start


def end_input(holder: Holder) -> None:
    assert holder.stdin is not None
    holder.stdin.close()


def test_the_holder_is_noted_and_the_directory_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "locks" / "pkgs"
    path.parent.mkdir(parents=True)
    path.write_text("a longer note of an earlier holder")
    with lock.held(str(path), 0):
        assert path.read_text() == str(os.getpid())


@pytest.mark.parametrize("there", [False, True], ids=["made", "made before, for all"])
def test_nobody_else_can_open_it(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "locks" / "pkgs"
    if there:
        path.parent.mkdir(mode=0o755)
        path.touch(mode=0o666)
        path.chmod(0o666)
    with lock.held(str(path), 0):
        assert path.parent.stat().st_mode & 0o7777 == 0o700
        assert path.stat().st_mode & 0o7777 == 0o600


def link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [link, pipe, Path.mkdir])
@pytest.mark.parametrize("place", ["pkgs", ""], ids=["file", "folder"])
def test_something_else_at_its_path_is_named(tmp_path: Path, make: Callable[[Path], None], place: str) -> None:
    path = tmp_path / "locks" / "pkgs"
    if place:
        path.parent.mkdir()
        make(path)
    elif make is not Path.mkdir:
        make(path.parent)
    else:
        path.parent.write_text("a file")
    with pytest.raises(EvenkeelError, match=f"{path}?.* Move.* away"), lock.held(str(path), 0):
        pytest.fail("held")
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "locks" / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("place", ["locks", "locks/pkgs"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "locks" / "pkgs"
    path.parent.mkdir()
    path.touch()
    os.chown(tmp_path / place, 65534, 65534)
    with pytest.raises(EvenkeelError, match=rf"^{tmp_path}/{place} is for Evenkeel's locks"), lock.held(str(path), 0):
        pytest.fail("held")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_unused: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = str(tmp_path / "locks" / "copy")
    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(EvenkeelError, match=f"{path}: No space left on device"), lock.held(path, 0):
        pass


def test_it_is_free_again_afterwards_also_after_a_failure(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "pkgs")
    with pytest.raises(ZeroDivisionError), lock.held(path, 0):
        raise ZeroDivisionError
    with lock.held(path, 0):
        pass


def test_it_excludes_a_second_holder_of_the_same_process(tmp_path: Path) -> None:
    path = str(tmp_path / "pkgs")
    with lock.held(path, 0), pytest.raises(EvenkeelError), lock.held(path, 0):
        pytest.fail("held twice")


@pytest.mark.parametrize(("timeout", "pauses", "waited"), [(0, 0, ""), (60, 300, " after 60 s")])
def test_waiting_is_bounded_and_names_the_holder(
    tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch, timeout: int, pauses: int, waited: str
) -> None:
    path, slept = tmp_path / "pkgs", []
    holder = hold(path, "inherits")
    monkeypatch.setattr(lock, "POLL_SECONDS", 0.2)
    monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=lambda: round(sum(slept), 3), sleep=slept.append))
    with (
        pytest.raises(
            EvenkeelError,
            match=rf"{path} is still locked by .*process {holder.pid} \(python[^ ]* of .*\){waited}\. Wait",
        ),
        lock.held(str(path), timeout),
    ):
        pytest.fail("held while another process holds it")
    assert len(slept) == pauses


def test_a_released_lock_is_taken(tmp_path: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pkgs"
    holder = hold(path, "inherits")
    pauses = []

    def release_instead_of_waiting(seconds: float) -> None:
        pauses.append(seconds)
        end_input(holder)
        holder.wait()

    monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=time.monotonic, sleep=release_instead_of_waiting))
    with lock.held(str(path), 60):
        assert len(pauses) == 1


def test_a_killed_holder_frees_it(tmp_path: Path, hold: Hold) -> None:
    path = tmp_path / "pkgs"
    holder = hold(path, "does not inherit")
    holder.kill()
    holder.wait()
    with lock.held(str(path), 0):
        pass


def test_a_child_that_inherits_it_outlives_a_killed_holder(tmp_path: Path, hold: Hold) -> None:
    path = tmp_path / "pkgs"
    holder = hold(path, "inherits")
    holder.kill()
    holder.wait()
    path.write_text("1")  # what it says of its holder is not believed
    said = r"is still locked by process \d+ \(cat of [^)]*\)\. Wait"
    with pytest.raises(EvenkeelError, match=said), lock.held(str(path), 0):
        pytest.fail("held while the orphan holds it")
    end_input(holder)
    with lock.held(str(path), 60):
        pass


def test_those_who_wait_are_not_named(tmp_path: Path, hold: Hold) -> None:
    path = tmp_path / "pkgs"
    with lock.held(str(path), 0):
        descriptor = lock.open_private(str(path))
    try:
        assert lock.holders(descriptor) == "another run"
        holder = hold(path, "does not inherit")
        assert lock.holders(descriptor).startswith(f"process {holder.pid} (")
        assert "," not in lock.holders(descriptor)
        end_input(holder)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("pids", "named", "more"),
    [([], [], ""), ([7], [7], ""), ([2, 1], [1, 2], ""), ([5, 4, 3, 2, 1], [1, 2, 3], ", 2 more")],
)
def test_a_few_holders_are_named(tmp_path: Path, pids: list[int], named: list[int], more: str) -> None:
    path = "/opt/evenkeel/locks/pkgs"
    (tmp_path / "self" / "fd").mkdir(parents=True)
    (tmp_path / "self" / "fd" / "9").symlink_to(path)
    others = {10: ("/opt/evenkeel/locks/other", "FLOCK"), 11: (path, "-> FLOCK"), 12: (path, "POSIX"), 13: (path, "")}
    for pid, (target, kind) in {**others, **dict.fromkeys(pids, (path, "FLOCK"))}.items():
        for place in ("fd", "fdinfo"):
            (tmp_path / str(pid) / place).mkdir(parents=True)
        (tmp_path / str(pid) / "comm").write_text("python3\n")
        (tmp_path / str(pid) / "fd" / "3").symlink_to(target)
        reported = f"lock:\t1: {kind}  ADVISORY  WRITE 4711 08:01:42 0 EOF\n" if kind else ""
        (tmp_path / str(pid) / "fdinfo" / "3").write_text(f"pos:\t0\n{reported}")
    (tmp_path / "14").mkdir()
    (tmp_path / "1" / "fd").mkdir(parents=True, exist_ok=True)
    (tmp_path / "1" / "fd" / "0").write_text("closed while it is looked at")
    me = pwd.getpwuid(os.getuid()).pw_name
    said = ", ".join(f"process {pid} (python3 of {me})" for pid in named) + more
    assert lock.holders(9, str(tmp_path)) == (said or "another run")
