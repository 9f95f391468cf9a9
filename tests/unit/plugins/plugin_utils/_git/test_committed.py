# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commit a folder is from; with a real git."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._git import committed


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    yield
    committed.of_file.cache_clear()
    committed._top.cache_clear()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "inventories").mkdir(parents=True)
    (folder / "environments" / "ai-dev").mkdir(parents=True)
    (folder / "environments" / "ai-dev" / "environment.yml").write_text("dependencies: [numpy]\n")
    (folder / "environments" / "ai-dev" / "conda-lock.yml").write_text("version: 1\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    commit(folder, "First")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@site.example", "-c", "commit.gpgSign=false")
    git(folder, *identity, "commit", "--quiet", "--all", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def test_a_site(site: Path) -> None:
    folder = site / "inventories"
    found = committed.of_site(folder)
    head = git(site, "rev-parse", "HEAD")
    clean = {"path": str(folder), "commit": head, "branch": "main", "tag": None, "dirty": False, "note": ""}
    assert found == clean
    git(site, "tag", "v1")
    git(site, "checkout", "--quiet", "--detach")
    assert committed.of_site(folder) == {**clean, "branch": None, "tag": "v1"}
    (site / "notes.txt").write_text("not committed, and not below the inventory")
    assert committed.of_site(folder)["dirty"]


def test_a_folder_without_a_repository_says_so(tmp_path: Path) -> None:
    found = committed.of_site(tmp_path)
    assert (found["commit"], found["dirty"]) == (None, None)
    assert "not a git repository" in found["note"]


def test_a_control_node_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert committed.of_site(tmp_path)["note"] == "There is no command git"


def test_a_file_that_is_changed_is_dirty(site: Path) -> None:
    lock = site / "environments" / "ai-dev" / "conda-lock.yml"
    lock.write_text("version: 2\n")
    assert committed.of_file(lock)["dirty"]


def test_a_file_that_is_gone_has_no_hash(tmp_path: Path) -> None:
    assert committed.of_file(tmp_path / "gone.yml")["sha256"] is None
