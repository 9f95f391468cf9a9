# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions are ordered as dpkg and rpm order them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.package_versions import (
    compare_debian,
    compare_rpm,
)

DEBIAN = [
    ("1.0-1", "1.0-2", -1),
    ("1.0", "1.0-0", 0),
    ("1.0~rc1-1", "1.0-1", -1),
    ("1.0-1~bpo12+1", "1.0-1", -1),
    ("1.0-1+deb12u2", "1.0-1+deb12u10", -1),
    ("1:0.1", "9.9", 1),
    ("0:1.0-1", "1.0-1", 0),
    ("2.36-9+deb12u10", "2.36-9+deb12u9", 1),
    ("1.2a", "1.2", 1),
    ("1.2a", "1.2+b", -1),
    ("1.02", "1.2", 0),
    ("580.178.04-0ubuntu1", "580.95.05-1", 1),
    ("1.0-1-1", "1.0-2", 1),
    ("7.6p2-4", "7.6-0", 1),
    ("1.0.3-3", "1.0-1", 1),
    ("1~~a", "1~", -1),
    ("9" * 5000, "1" + "0" * 5000, -1),
]
RPM = [
    ("1.0-1.el9", "1.0-2.el9", -1),
    ("1.10", "1.9", 1),
    ("1.0~rc1-1", "1.0-1", -1),
    ("1.0^git1-1", "1.0-1", 1),
    ("1.0^git1-1", "1.0.1-1", -1),
    ("2:1.0-1", "3.0-1", 1),
    ("1.0-5", "1.0", 0),
    ("0:1.0-1", "1.0-1", 0),
    ("1.0a-1", "1.0-1", 1),
    ("1.0a-1", "1.0.1-1", -1),
    ("1_0-1", "1.0-1", 0),
    ("580.178.04-1.el9", "580.95.05-1.el9", 1),
    ("001-1", "1-1", 0),
    ("9" * 5000, "1" + "0" * 5000, -1),
]


@pytest.mark.parametrize(("one", "other", "order"), DEBIAN)
def test_debian(one: str, other: str, order: int) -> None:
    assert sign(compare_debian(one, other)) == order
    assert sign(compare_debian(other, one)) == -order


# dpkg's own numbers have an end.
@pytest.mark.parametrize(("one", "other", "order"), DEBIAN[:-1])
@pytest.mark.skipif(not shutil.which("dpkg"), reason="the machine has no dpkg")
def test_dpkg_agrees(one: str, other: str, order: int) -> None:
    relation = {-1: "lt", 0: "eq", 1: "gt"}[order]
    assert subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=False).returncode == 0


@pytest.mark.parametrize(("one", "other", "order"), RPM)
def test_rpm(one: str, other: str, order: int) -> None:
    assert sign(compare_rpm(one, other)) == order
    assert sign(compare_rpm(other, one)) == -order


def sign(number: int) -> int:
    return (number > 0) - (number < 0)
