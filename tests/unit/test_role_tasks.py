# SPDX-License-Identifier: GPL-3.0-or-later
"""Each task costs every node of every run a third of a second, so roles that change nothing have few."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).parents[2] / "roles"
IMPORT = "ansible.builtin.import_tasks"


def tasks(role: str) -> list[str]:
    """Return the names of a role's tasks, imports aside."""
    found = [task for path in (ROLES / role / "tasks").glob("*.yml") for task in yaml.safe_load(path.read_text())]
    return [task["name"] for task in found if IMPORT not in task]


@pytest.mark.parametrize(
    ("roles", "most"),
    [
        pytest.param(("miniconda", "condarc"), 5, id="the distribution and its settings"),
        pytest.param(("jupyter", "remote_access"), 11, id="notebooks and the ways to them, for all people"),
    ],
)
def test_roles_have_few_tasks(roles: tuple[str, ...], most: int) -> None:
    found = [name for role in roles for name in tasks(role)]
    assert 0 < len(found) <= most, found
