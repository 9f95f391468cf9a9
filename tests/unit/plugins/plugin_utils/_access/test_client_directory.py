# SPDX-License-Identifier: GPL-3.0-or-later
"""What users are handed is beside the inventory; what is in it is moved, and what is not ours is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access import client_directory
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._access.client_directory import Plan

ROOT = Path(__file__).parents[5]
OURS = "# Written by Evenkeel (playbooks/client_config.yml): changes made here by hand are overwritten.\n"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """What version 0.1 has written."""
    place = tmp_path / "mine" / "client"
    (place / "ana").mkdir(parents=True)
    (place / "ssh_config").write_text(OURS)
    (place / "ana" / "start.html").write_text("hello")
    return place


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".evenkeel" / "mine" / "client"


def test_the_files_are_known_by_their_first_line() -> None:
    assert (ROOT / "playbooks" / "templates" / "ssh_config.j2").read_text().startswith(OURS)


def test_it_is_made_once(path: Path) -> None:
    planned = client_directory.plan(path, 0o700, None)
    assert planned.changes
    client_directory.apply(planned)
    assert not client_directory.plan(path, 0o700, None).changes
    assert client_directory.plan(path, 0o755, None).changes


@pytest.mark.parametrize("there", [False, True])
def test_it_is_moved_once(path: Path, earlier: Path, there: bool) -> None:
    if there:
        path.mkdir(parents=True)
    client_directory.apply(client_directory.plan(path, 0o755, earlier))
    assert ((path / "ana" / "start.html").read_text(), earlier.exists()) == ("hello", False)
    assert not client_directory.plan(path, 0o755, earlier).changes


@pytest.mark.parametrize("text", [None, "Host mine\n"])
def test_a_folder_of_that_name_that_is_not_ours_stays(path: Path, earlier: Path, text: str | None) -> None:
    (earlier / "ssh_config").write_text(text) if text else (earlier / "ssh_config").unlink()
    client_directory.apply(client_directory.plan(path, 0o755, earlier))
    assert ((earlier / "ana" / "start.html").exists(), list(path.iterdir())) == (True, [])


def test_of_two_none_is_touched(path: Path, earlier: Path) -> None:
    path.mkdir(parents=True)
    (path / "ssh_config").write_text(OURS)
    with pytest.raises(EvenkeelError, match="both have files for users"):
        client_directory.plan(path, 0o755, earlier)


@pytest.mark.parametrize("does", [client_directory.apply, client_directory.require_possible])
def test_a_place_that_can_not_be_written(path: Path, tmp_path: Path, does: Callable[[Plan], None]) -> None:
    (tmp_path / ".evenkeel").touch()
    with pytest.raises(EvenkeelError, match="can't be made on the control node"):
        does(client_directory.plan(path, 0o755, None))


def test_a_rehearsal_refuses_a_directory_that_can_not_be_taken_out_of_the_inventory(
    path: Path, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = client_directory.plan(path, 0o755, earlier)
    client_directory.require_possible(planned)
    monkeypatch.setattr(os, "access", lambda place, _mode: place != str(earlier.parent))
    with pytest.raises(EvenkeelError, match=f"{earlier.parent} can't be written to"):
        client_directory.require_possible(planned)
    assert (path.exists(), earlier.exists()) == (False, True)


def test_a_rehearsal_lets_a_folder_be_that_only_gets_another_mode(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda *_: False)
    client_directory.require_possible(client_directory.plan(path, 0o700, None))
