# SPDX-License-Identifier: GPL-3.0-or-later
"""Which environments there will be, and which of them have a kernel."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter import environment_kernels, planned_environments

Environments = list[dict[str, Any]]
AI: dict[str, Any] = {"name": "ai-dev", "lock": "ai-dev.lock"}
VISION = {"name": "vision", "display_name": "Vision", "state": "present"}
JUPYTER = {"name": "jupyter"}
GONE = {"name": "old", "state": "absent"}


@pytest.mark.parametrize(("listed", "planned"), [([], []), ([AI, GONE, VISION], [AI, VISION]), ([GONE], [])])
def test_what_is_to_be_absent_is_not_planned(listed: Environments, planned: Environments) -> None:
    assert planned_environments.planned_environments(listed) == planned


@pytest.mark.parametrize(
    ("environments", "kernels"),
    [
        ([], []),
        ([JUPYTER, AI, VISION], [{"name": "ai-dev"}, {"name": "vision", "display_name": "Vision"}]),
        ([JUPYTER], [{"name": "jupyter"}]),
        ([AI], [{"name": "ai-dev"}]),
    ],
)
def test_the_servers_environment_has_no_kernel_unless_it_is_the_only_one(
    environments: Environments, kernels: Environments
) -> None:
    assert environment_kernels.environment_kernels(environments, "jupyter") == kernels
