# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services an upgrade of the driver stops, and which processes it refuses to end."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.filter import gpu_users, services_to_stop

SERVICES = {
    "jupyter@ana.service": {"state": "running"},
    "jupyter@bob.service": {"state": "running"},
    "jupyter-proxy@ana.service": {"state": "running"},
    "nvidia-dcgm.service": {"state": "stopped"},
    "nvidia-persistenced.service": {"state": "running"},
    "nvidia-persistenced-extra.service": {"state": "running"},
    "a.b.service": {"state": "running"},
    "getty@tty1": {"source": "rc"},
}


@pytest.mark.parametrize(
    ("patterns", "stopped"),
    [
        (
            ["nvidia-persistenced", "jupyter@*"],
            ["nvidia-persistenced.service", "jupyter@ana.service", "jupyter@bob.service"],
        ),
        (["jupyter@ana", "jupyter@*"], ["jupyter@ana.service", "jupyter@bob.service"]),
        (["jupyter@bob.service"], ["jupyter@bob.service"]),
        (["nvidia-dcgm", "not-there"], []),
        (["axb", "[ab]*"], []),
        (["a.b"], ["a.b.service"]),
        ([], []),
    ],
    ids=["in their order", "each once", "full names", "not running", "no expressions", "a dot", "none"],
)
def test_running_services_that_patterns_name(patterns: list[str], stopped: list[str]) -> None:
    assert services_to_stop.FilterModule().filters()["services_to_stop"](SERVICES, patterns) == stopped


def process(unit: str, user: str = "ana") -> dict[str, object]:
    return {"pid": 4711, "command": "python", "user": user, "devices": ["/dev/nvidia0"], "unit": unit}


@pytest.mark.parametrize(
    ("found", "patterns", "words"),
    [
        (process("jobs.service"), ["jupyter@*"], ["4711 python (ana, jobs.service)"]),
        (process(""), ["jupyter@*"], ["4711 python (ana)"]),
        (process("session-1.scope"), ["*"], ["4711 python (ana, session-1.scope)"]),
        (process("jupyter@ana.service"), ["jobs", "jupyter@*"], []),
        (process("jupyter@ana.service"), [], ["4711 python (ana, jupyter@ana.service)"]),
        (process("jupyter@ana.service"), ["jupyter"], ["4711 python (ana, jupyter@ana.service)"]),
    ],
    ids=["another service", "no service", "a session", "a service to stop", "nothing may be stopped", "whole names"],
)
def test_processes_in_the_way(found: dict[str, object], patterns: list[str], words: list[str]) -> None:
    assert gpu_users.FilterModule().filters()["gpu_users"]([found], patterns) == words
