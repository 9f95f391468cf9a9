# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of environments, as the role's list has them and as the module takes them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter.environment_sources import FilterModule

TABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"environment": "/e/a/environment.yml"}),
    ({"keep": 2}, {"environment": "/e/a/environment.yml", "keep": 2}),
    ({"environment": "b.yml"}, {"environment": "/e/b.yml"}),
    ({"lock": "/srv/lock.yml"}, {"lock": "/srv/lock.yml"}),
    ({"explicit": "x/explicit.txt"}, {"explicit": "/e/x/explicit.txt"}),
    ({"packages": ["python"]}, {"packages": ["python"], "channels": ["conda-forge"]}),
    ({"packages": ["python"], "channels": ["own"]}, {"packages": ["python"], "channels": ["own"]}),
    ({"lock": "a.yml", "channels": ["own"]}, {"lock": "/e/a.yml"}),
    ({"state": "absent"}, {"state": "absent"}),
    ({"state": "present"}, {"state": "present", "environment": "/e/a/environment.yml"}),
    ({"environment": "b.yml", "lock": "c.yml"}, {"environment": "/e/b.yml", "lock": "/e/c.yml"}),
]


@pytest.mark.parametrize(("written", "taken"), TABLE, ids=str)
def test_sources_are_paths_and_one_without_has_the_file_of_its_name(
    written: dict[str, Any], taken: dict[str, Any]
) -> None:
    found = FilterModule().filters()["environment_sources"]([{"name": "a", **written}], "/e", ["conda-forge"])
    assert found == [{"name": "a", **taken}]
