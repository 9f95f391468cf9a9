# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._unit_outdated import (
    PROPERTIES,
    Unit,
    modification_times,
    newer,
    parse,
)

NOW, MONOTONIC = 1_000_000.0, 500.0


def shown(state: str = "active", started: int = 400_000_000, load: str = "loaded", reload: str = "no") -> str:
    """Return what systemctl prints, in the order of PROPERTIES."""
    return "".join(f"{name}={value}\n" for name, value in zip(PROPERTIES, (state, started, load, reload), strict=True))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (shown(), Unit(started=NOW - 100, needs_reload=False)),
        (shown(state="activating"), Unit(started=NOW - 100, needs_reload=False)),
        (shown(reload="yes"), Unit(started=NOW - 100, needs_reload=True)),
        (shown(state="inactive"), Unit(started=None, needs_reload=False)),
        (shown(state="failed"), Unit(started=None, needs_reload=False)),
        (shown(state="inactive", started=0, load="not-found"), Unit(started=None, needs_reload=True)),
        (shown(started=0), Unit(started=None, needs_reload=False)),
        ("", Unit(started=None, needs_reload=False)),
    ],
)
def test_parse(text: str, unit: Unit) -> None:
    assert parse(text, NOW, MONOTONIC) == unit


@pytest.mark.parametrize(
    ("started", "files"),
    [(50.0, ["/new", "/old"]), (100.0, ["/new"]), (200.0, []), (None, [])],
)
def test_newer(started: float | None, files: list[str]) -> None:
    assert newer(Unit(started, needs_reload=False), {"/old": 100.0, "/new": 150.0}) == files


def test_a_file_that_is_not_there_does_not_count(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    os.utime(there, (123, 123))
    assert modification_times([str(there), str(tmp_path / "absent")]) == {str(there): 123.0}
