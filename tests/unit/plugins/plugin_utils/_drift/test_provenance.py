# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commit and which files declare what nodes are compared with; with a real git."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._drift import provenance


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    yield
    provenance.of_file.cache_clear()
    provenance._top.cache_clear()


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
    found = provenance.of_site(folder)
    head = git(site, "rev-parse", "HEAD")
    clean = {"path": str(folder), "commit": head, "branch": "main", "tag": None, "dirty": False, "note": ""}
    assert found == clean
    git(site, "tag", "v1")
    git(site, "checkout", "--quiet", "--detach")
    assert provenance.of_site(folder) == {**clean, "branch": None, "tag": "v1"}
    (site / "notes.txt").write_text("not committed, and not below the inventory")
    assert provenance.of_site(folder)["dirty"]


def test_a_folder_without_a_repository_says_so(tmp_path: Path) -> None:
    found = provenance.of_site(tmp_path)
    assert (found["commit"], found["dirty"]) == (None, None)
    assert "not a git repository" in found["note"]


def test_a_control_node_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.of_site(tmp_path)["note"] == "The control node has no git"


def test_an_environment_is_declared_by_its_lock(site: Path) -> None:
    written = site / "environments" / "ai-dev" / "environment.yml"
    lock = written.with_name("conda-lock.yml")
    first = git(site, "rev-parse", "HEAD")
    commit(site, "Something else")
    (found,) = provenance.of_environments([{"name": "ai-dev", "environment": str(written)}]).items()
    content = hashlib.sha256(lock.read_bytes()).hexdigest()
    expected = {"file": "environments/ai-dev/conda-lock.yml", "sha256": content, "commit": first, "dirty": False}
    assert found == ("ai-dev", expected)


def test_a_lock_that_is_changed_is_dirty(site: Path) -> None:
    lock = site / "environments" / "ai-dev" / "conda-lock.yml"
    lock.write_text("version: 2\n")
    assert provenance.of_environments([{"name": "a", "lock": str(lock)}])["a"]["dirty"]


@pytest.mark.parametrize("option", ["environment", "explicit"])
def test_other_sources(option: str, tmp_path: Path) -> None:
    path = tmp_path / "gpu.yml"
    path.write_text("dependencies: []\n")
    sources = [{"name": "a", option: str(path)}, {"name": "b", "packages": ["numpy"]}, {"name": "c", "state": "absent"}]
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = {"file": str(path), "sha256": content, "commit": None, "dirty": None}
    assert provenance.of_environments(sources) == {"a": expected}


def test_a_file_that_is_gone_has_no_hash(tmp_path: Path) -> None:
    assert provenance.of_environments([{"name": "a", "lock": str(tmp_path / "gone.yml")}])["a"]["sha256"] is None
