# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as ``run.py``, for pytest; skipped where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
SKIPPED = 77


def test_gpus_of_this_machine() -> None:
    done = subprocess.run([sys.executable, RUN], check=False, capture_output=True, text=True)
    if done.returncode == SKIPPED:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
