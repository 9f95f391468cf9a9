# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/architecture.md leads to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
TOP = {path.name for path in ROOT.iterdir()}
PATHS = sorted({path for path in re.findall(r"`([\w.@-]+/[\w./@-]*|[\w-]+\.\w+)`", TEXT) if path.split("/")[0] in TOP})
ANSWERS = re.findall(r"^\| [^|]+\? \| (.+) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_twenty_questions_lead_to_a_file() -> None:
    assert len(ANSWERS) >= 20
    assert all(answer.startswith("`") for answer in ANSWERS)
