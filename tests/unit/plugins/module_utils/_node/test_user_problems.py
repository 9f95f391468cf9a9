# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import user_problems


def test_each_user_is_one_warning() -> None:
    problems = {"bo": ["a", "b."], "cy": [], "ana": [str(number) for number in range(7)]}
    assert user_problems.warnings(problems) == [
        "A problem of the user ana, which does not affect others: 0. 1. 2. 3. 4. And 2 more.",
        "A problem of the user bo, which does not affect others: a. b.",
    ]
