# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import limits

SIZE = 1 << 20
WRITE = f"with open('file', 'wb') as stream: stream.write(bytes({SIZE + 1}))"
ALLOCATE = "bytes(200 << 20)"


@pytest.mark.parametrize(
    ("code", "error"),
    [(WRITE, "File too large"), (ALLOCATE, "MemoryError"), ("print()", "")],
    ids=["file", "memory", ""],
)
def test_programs_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, error: str) -> None:
    monkeypatch.setattr(limits, "MEMORY_BYTES", 100 << 20)
    with limits.limited(SIZE):
        argv = [sys.executable, "-I", "-c", code]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=tmp_path, restore_signals=False)
    assert error in done.stderr
    assert bool(done.returncode) == bool(error)


def test_limits_are_as_before_afterwards() -> None:
    kinds = (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)
    before = [resource.getrlimit(kind) for kind in kinds]
    with limits.limited(SIZE):
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == SIZE
    assert [resource.getrlimit(kind) for kind in kinds] == before
