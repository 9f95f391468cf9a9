# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks between real processes, since that is what they are for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils import _lock as lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError

ROOT = Path(__file__).parents[4]

#: Holds the lock with a child until the standard input, which both share, ends.
HOLDER = """
import subprocess, sys
from ansible_collections.evenkeel.gpu.plugins.module_utils._lock import held
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
    path = tmp_path / "locks" / "pkgs"
    path.parent.mkdir()
    path.write_text("a longer note of an earlier holder")
    with lock.held(str(path), 0):
        assert path.read_text() == str(os.getpid())


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


def test_waiting_is_bounded_and_names_the_holder(tmp_path: Path, hold: Hold) -> None:
    path = tmp_path / "pkgs"
    holder = hold(path, "inherits")
    start = time.monotonic()
    with (
        pytest.raises(EvenkeelError, match=rf"{path} is still locked by process {holder.pid}\b"),
        lock.held(str(path), 0.1),
    ):
        pytest.fail("held while another process holds it")
    assert 0.1 <= time.monotonic() - start < 30


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
    with pytest.raises(EvenkeelError, match="or a child of it"), lock.held(str(path), 0):
        pytest.fail("held while the orphan holds it")
    end_input(holder)
    with lock.held(str(path), 60):
        pass
