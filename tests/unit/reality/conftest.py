# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reality.reach import Reach
from reality.world import World
from tests.unit.reality.site import Site, running


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as found:
        yield found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world that reaches what tests serve."""
    return World(tmp_path / "reality", tmp_path / "store", reach=Reach(silence=10.0))
