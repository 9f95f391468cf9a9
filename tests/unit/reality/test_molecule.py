# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from reality import molecule

FRAME = "  \x1b[2m│\x1b[0m "


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            f"INFO\n{FRAME}\x1b[31mfatal: [debian12-1]: FAILED! =>\x1b[0m\n{FRAME}    msg: no nginx\n└─ 2",
            "fatal: [debian12-1]: FAILED! =>\n    msg: no nginx\n└─ 2",
        ),
        (f"{FRAME}ok\n{FRAME}E   assert 1 == 2\n{FRAME}x.py:1", "E   assert 1 == 2\nx.py:1"),
        ("what else\n", "what else"),
        ("x" * 2000, "x" * 1500),
        ("fatal: " + "x" * 2000, "fatal: " + "x" * 1493),
    ],
)
def test_why_a_scenario_failed(said: str, why: str) -> None:
    assert molecule.why(said) == why
