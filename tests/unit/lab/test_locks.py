# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

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
