# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress, TaskID

from lab import locks


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "locks")


def test_a_held_lock_is_not_free() -> None:
    with locks.held("x"), locks.held_if_free("x") as alone:
        assert not alone


def test_a_shared_lock_is_not_free_either() -> None:
    with locks.held("x", shared=True), locks.held("x", shared=True), locks.held_if_free("x") as alone:
        assert not alone


def test_a_lock_is_free_again() -> None:
    with locks.held("x"):
        pass
    with locks.held_if_free("x") as alone:
        assert alone


def test_locks_of_other_names_do_not_matter() -> None:
    with locks.held("x"), locks.held_if_free("y") as alone:
        assert alone


def test_a_wait_is_shown_while_it_lasts() -> None:
    shown: list[str] = []
    done = threading.Event()

    class Shown(Progress):
        def add_task(self, description: str, *arguments: Any, **keywords: Any) -> TaskID:
            shown.append(description)
            done.set()
            return super().add_task(description, *arguments, **keywords)

    progress = Shown()

    def wait() -> None:
        with locks.held("x", progress=progress):
            shown.append("held")

    with locks.held("x"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert done.wait(10)
    waiter.join(10)
    assert shown == ["waiting for another lab command (x)", "held"]
    assert not progress.tasks
