# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from maintenance.made_up_review import reviewed
from tests.unit.plugins.plugin_utils._review.test_report import VALIDATOR


def test_it_is_a_review() -> None:
    found = reviewed()
    VALIDATOR.validate(found)
    assert found["counts"] == {"ended": 2, "ending": 1, "vulnerable": 1, "outdated": 2, "unknown": 0}
