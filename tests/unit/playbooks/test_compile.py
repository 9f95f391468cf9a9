# SPDX-License-Identifier: GPL-3.0-or-later
"""compile.yml says where it has found nothing to compile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_where_nothing_is_locked_it_says_so_and_where_it_looked(tmp_path: Path) -> None:
    for name in ("ai/environment.yml", "nlp/gpu.yml"):
        (tmp_path / "environments" / name).parent.mkdir(parents=True)
        (tmp_path / "environments" / name).write_text("channels: [conda-forge]\ndependencies: [python]\n")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {node1: }}\n")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.yml", "evenkeel.gpu.compile"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert f"Nothing is locked, so nothing was compiled: in {tmp_path}/environments, no lock is beside" in said
    assert "ai/environment.yml, nlp/gpu.yml. Lock environments with lock.yml first." in said
