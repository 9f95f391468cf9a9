# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import build_progress
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.build_progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(build_progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_it_tells_and_leaves_nothing(tmp_path: Path, clock: SimpleNamespace) -> None:
    path = tmp_path / "environment-ai-dev.progress"
    progress = Progress(str(path))
    assert not path.exists()
    progress.update("fetch", 61, 107, 80_000_000, 131_000_000)
    assert json.loads(path.read_text()) == {
        "step": "fetch",
        "packages": 61,
        "of": 107,
        "bytes": 80_000_000,
        "of_bytes": 131_000_000,
    }
    progress.close()
    progress.close()
    assert not list(tmp_path.iterdir())


def test_it_tells_four_times_a_second_at_most(tmp_path: Path, clock: SimpleNamespace) -> None:
    path = tmp_path / "progress"
    progress = Progress(str(path))
    reported = []
    for packages in range(20):
        progress.update("link", packages, 20, 0, 0)
        reported.append(json.loads(path.read_text())["packages"])
        clock.now += 0.125
    assert reported == [packages // 2 * 2 for packages in range(20)]


def test_waiting_for_the_disk_is_a_step(tmp_path: Path, clock: SimpleNamespace) -> None:
    path = tmp_path / "progress"
    Progress(str(path)).wait(7)
    assert json.loads(path.read_text()) == {"step": "sync", "packages": 7, "of": 0, "bytes": 0, "of_bytes": 0}


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_everybody_may_read_it(
    tmp_path: Path, clock: SimpleNamespace, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress"
    before = build_progress.os.umask(umask)
    try:
        Progress(str(path)).update("pip", 0, 3, 0, 0)
    finally:
        build_progress.os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["progress"]


def test_what_a_killed_run_left_is_gone_before_the_first_word(tmp_path: Path) -> None:
    for name in ("progress", "progress.partial"):
        (tmp_path / name).write_text("{}")
    Progress(str(tmp_path / "progress"))
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    progress = Progress(str(tmp_path / "absent" / "progress"))
    progress.update("link", 1, 2, 0, 0)
    progress.close()
    assert not list(tmp_path.iterdir())
