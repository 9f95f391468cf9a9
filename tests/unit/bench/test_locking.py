# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import locking

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("size", [10, 100])
def test_both_ways_lock_all_packages_of_the_channel_and_not_the_newest_version(tmp_path: Path, size: int) -> None:
    folder = locking.prepare(tmp_path, size)
    programs = locking.commands(folder, "", "")
    for command in programs.values():
        with locking.empty_caches(folder) as environment:
            variables = {**environment, "PYTHONPATH": f"{ROOT / 'collections'}:{ROOT}"}
            done = subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True)
            assert done.stdout.strip() == str(size)
            lock = folder / "conda-lock.yml"
            if lock.exists():
                text = lock.read_text()
    assert f"made-{size - 1:03}-{locking.VERSIONS - 1}.0-0.conda" in text
    assert {path.name for path in folder.iterdir()} >= {"environment.yml", "pixi.toml", "channel"}


def test_other_programs_are_asked_where_they_are(tmp_path: Path) -> None:
    found = locking.commands(tmp_path, "/opt/pixi", "/opt/conda-lock")
    assert found["pixi"] == ["/opt/pixi", "lock", "--manifest-path", f"{tmp_path}/pixi.toml"]
    assert found["conda-lock"][:4] == ["/opt/conda-lock", "lock", "--platform", "linux-64"]
    assert found["evenkeel"][0] == sys.executable
