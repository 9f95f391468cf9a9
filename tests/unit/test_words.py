# SPDX-License-Identifier: GPL-3.0-or-later
"""codespell finds words; the phrases of the project's list are found only if its configuration names them too."""

from __future__ import annotations

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

CONFIG = Path(__file__).parents[2] / ".config"
WORDS = [line.split("->")[0] for line in (CONFIG / "codespell-words.txt").read_text().splitlines()]


@pytest.mark.parametrize("phrase", [word for word in WORDS if " " in word])
def test_phrases_of_the_list_are_found(phrase: str) -> None:
    config = RawConfigParser()
    config.read(CONFIG / "codespell.cfg")
    assert phrase in re.findall(config["codespell"]["regex"], f"It {phrase}.")
