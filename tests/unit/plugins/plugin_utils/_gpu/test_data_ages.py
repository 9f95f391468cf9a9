# SPDX-License-Identifier: GPL-3.0-or-later
"""How old the data is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import data_ages

TODAY = date(2026, 11, 28)


def test_ages_of_days_and_months(tmp_path: Path) -> None:
    (tmp_path / "day.yml").write_text('read: "2026-11-27"\n')
    (tmp_path / "month.yml").write_text('read: "2026-10"\n')
    (tmp_path / "ageless.yml").write_text("other: 1\n")
    assert data_ages.ages(TODAY, tmp_path) == [
        {"name": "month", "read": "2026-10", "days": 58},
        {"name": "day", "read": "2026-11-27", "days": 1},
    ]


@pytest.mark.parametrize(
    "name",
    ["gpus", "nvidia_branches", "nvidia_packages", "nvidia_repositories", "nvidia_container_toolkit", "cuda_toolkits"],
)
def test_what_is_known_of_nvidias_releases_says_when_it_was_read(name: str) -> None:
    (found,) = [one for one in data_ages.ages(TODAY) if one["name"] == name]
    assert date(2026, 1, 1) <= data_ages.first_day(found["read"])
