# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import conda_distribution
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.conda_command import Plan

NEW = Plan("/usr/local/bin/conda", "/opt/miniconda3/bin/conda")


@pytest.mark.parametrize(
    ("plan", "path", "warning"),
    [
        (NEW, ("/usr/local/bin", "/usr/bin"), ""),
        (NEW, None, ""),
        (NEW, ("/sbin", "/bin"), "sudo does not look into /usr/local/bin .* write sudo /opt/miniconda3/bin/conda"),
        (Plan(), ("/sbin", "/bin"), ""),
        (Plan(in_the_way="/usr/local/bin/conda"), ("/sbin",), "was not made by Evenkeel"),
    ],
)
def test_who_does_not_find_the_command_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, path: tuple[str, ...] | None, warning: str
) -> None:
    monkeypatch.setattr(conda_distribution, "secure_path", lambda: path)
    found = conda_distribution._warnings(plan, "/opt/miniconda3")
    assert [bool(re.search(warning, line)) for line in found] == [True] * bool(warning)
