# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of a scenario are verified side by side, each by one worker in the order of its tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Tie the tests of a node together."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        node = str(parameters.params.get("_testinfra_host", "")) if parameters else ""
        item.add_marker(pytest.mark.xdist_group(node))
