# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that an option names: relative to a playbook, unless it is one of the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control import given_paths

PLAYBOOKS = Path(__file__).parents[5] / "playbooks"


def loader(folder: Path) -> Any:
    found = DataLoader()
    found.set_basedir(str(folder))
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [("ca", "{here}/ca"), ("../ca", "{above}/ca"), ("/srv/ca", "/srv/ca"), ("~/ca", "/home/operator/ca")],
)
@pytest.mark.parametrize("own", [False, True])
def test_absolute(given: str, expected: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/operator")
    started, plays = tmp_path / "a" / "started", tmp_path / "b" / "plays"
    started.mkdir(parents=True)
    monkeypatch.chdir(started)
    here = started if own else plays
    found = given_paths.absolute(given, loader(PLAYBOOKS if own else plays))
    assert found == Path(expected.format(here=here, above=here.parent))
