# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when versions are supported."""

from __future__ import annotations

from datetime import date

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import data_ages
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import support

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("product", "version", "state", "ends"),
    [
        (support.PYTHON, "3.9.18", "ended", "2025-10"),
        (support.PYTHON, "3.10.4", "ended", "2026-10"),
        (support.PYTHON, "3.13", "supported", "2029-10"),
        (support.PYTHON, "3.99.0", "unknown", ""),
        (support.PYTHON, "nonsense", "unknown", ""),
        (support.DRIVER, "570.195.03", "ended", "2026-02"),
        (support.DRIVER, "550.54.14", "ended", "2025-04"),
        (support.DRIVER, "590", "ending", "2026-12"),
        (support.DRIVER, "580", "supported", "2028-08"),
        (support.DRIVER, "999.1", "unknown", ""),
        (support.CUDA, "12.8", "undated", ""),
        (support.CUDA, "7.5", "unknown", ""),
        (support.CONDA, "23.1.0", "undated", ""),
        (support.MINICONDA, "py39_23.1.0-1", "ended", "2025-10"),
        (support.MINICONDA, "py313_26.5.3-1", "supported", "2029-10"),
        (support.MINICONDA, "latest", "unknown", ""),
        (support.MINIFORGE, "26.3.2-3", "undated", ""),
        ("Debian", "11", "ended", "2026-08-31"),
        ("Debian", "12.15", "longer", "2028-06-30"),
        ("Debian", "13", "supported", "2030-06-30"),
        ("Ubuntu", "20.04", "ended", "2025-05-31"),
        ("Ubuntu", "22.04", "ending", "2027-04-01"),
        ("Ubuntu", "24.10", "unknown", ""),
        ("Rocky", "9.6", "supported", "2032-05-31"),
        ("AlmaLinux", "8.10", "supported", "2029-05-31"),
        ("Slackware", "15", "unknown", ""),
    ],
)
def test_states(product: str, version: str, state: str, ends: str) -> None:
    found = support.of(product, version, TODAY)
    assert (found.state, found.ends) == (state, ends)


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2027, 10, 31), "ending"),
        (date(2027, 11, 1), "ended"),
        (date(2027, 5, 4), "ending"),
        (date(2027, 5, 3), "supported"),
    ],
)
def test_a_month_counts_to_its_last_day(day: date, state: str) -> None:
    assert support.of(support.PYTHON, "3.11", day).state == state


@pytest.mark.parametrize(
    ("product", "version", "newest", "newer"),
    [
        (support.DRIVER, "580.65.06", "580.178.04", True),
        (support.DRIVER, "580.178.04", "580.178.04", False),
        (support.DRIVER, "580", "580.178.04", False),
        (support.CUDA, "12.8", "12.9", True),
        (support.CUDA, "12.9.1", "12.9", False),
        (support.MINICONDA, "py313_25.1.1-2", "py313_26.5.3-1", True),
        (support.MINICONDA, "py313_26.5.3-1", "py313_26.5.3-1", False),
        (support.MINIFORGE, "24.1.2-0", "26.3.2-3", True),
        (support.CONDA, "23.1.0", "26.5.3", True),
    ],
)
def test_the_newest_of_a_line(product: str, version: str, newest: str, newer: bool) -> None:
    found = support.of(product, version, TODAY)
    assert (found.newest, found.newer) == (newest, newer)


@pytest.mark.parametrize("name", ["python_support", "distribution_support", "nvidia_branches", "cuda_toolkits"])
def test_what_ages_says_when_it_was_read(name: str) -> None:
    (found,) = [one for one in data_ages.ages(TODAY) if one["name"] == name]
    assert date(2026, 1, 1) <= data_ages.first_day(found["read"])


def test_what_ended_regularly_or_by_a_contract_is_in_order() -> None:
    known = read_mapping(support._DISTRIBUTIONS)
    for releases in known["releases"].values():
        for release in releases.values():
            days = [release.get(key) for key in ("regular", "ends", "contract")]
            there = [str(day) for day in days if day]
            assert there == sorted(there)
