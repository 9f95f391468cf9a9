# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done so that a service is enabled and runs."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import made, services, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.services import Change
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

NAME = "x.service"


@pytest.mark.parametrize(
    ("can_be_enabled", "running", "run", "change"),
    [
        (False, True, True, None),
        (False, False, False, None),
        (False, False, True, Change(NAME, enable=False, start=True)),
        (True, True, True, Change(NAME, enable=True, start=False)),
        (True, False, True, Change(NAME, enable=True, start=True)),
        (True, False, False, Change(NAME, enable=True, start=False)),
    ],
)
def test_plan(can_be_enabled: bool, running: bool, run: bool, change: Change | None) -> None:
    unit = Unit(NAME, can_be_enabled=can_be_enabled, running=running)
    assert services.plan(unit, run=run) == change


def test_the_state_is_systemds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "read", lambda names: {name: Unit(name, running=True) for name in names})
    assert services.change(NAME, run=True) == Change(NAME, enable=True, start=False)


@pytest.mark.parametrize(
    ("change", "commands", "shown"),
    [
        (Change(NAME, enable=True, start=True), ["enable", "restart"], "enabled\nstarted\n"),
        (Change(NAME, enable=False, start=True), ["restart"], "started\n"),
        (Change(NAME, enable=True, start=False), ["enable"], "enabled\n"),
    ],
)
def test_apply(monkeypatch: pytest.MonkeyPatch, change: Change, commands: list[str], shown: str) -> None:
    done: list[list[str]] = []
    monkeypatch.setattr(services.command, "require", lambda argv, _: done.append(argv))
    change.apply("front_door")
    assert done == [["systemctl", command, NAME] for command in commands]
    assert made.read("front_door") == ([made.Thing("service", NAME)] if change.enable else [])
    assert change.diff()["after"] == shown
