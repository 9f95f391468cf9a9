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
    [("ca", "{}/ca"), ("../ca", "{}/../ca"), ("/srv/ca", "/srv/ca"), ("~/ca", "/home/operator/ca")],
)
@pytest.mark.parametrize("own", [False, True])
def test_absolute(given: str, expected: str, own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/operator")
    work, plays = tmp_path / "a" / "work", tmp_path / "b" / "plays"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    found = given_paths.absolute(given, loader(PLAYBOOKS if own else plays))
    assert found == Path(expected.format(work if own else plays).replace("/work/..", "").replace("/plays/..", ""))
